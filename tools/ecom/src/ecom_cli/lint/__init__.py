"""`ecom lint`: the gate. Every tool finds without mercy; what is waived is taken off here, with its reason.

`scope` what is looked at, `tools` the tools and how each one's answer is read, `waivers` what people wrote
beside the code, `findings` the one less the other, `gate` all of them side by side, `command` the terminal.
"""
