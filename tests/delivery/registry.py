"""What CloudFormation's resource types ask of the role that they work with: `handlers` in their schemas.

Create, read, update and delete together, as of November 2026; without what they ask for properties that no
template here has. Missing are types whose schema says nothing (bucket policies, rules, dashboards), and API
Gateway, which asks for its five verbs.
"""

from __future__ import annotations

ASKED: dict[str, str] = {
    "AWS::CloudWatch::Alarm": (
        "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource "
        "cloudwatch:PutMetricAlarm cloudwatch:TagResource cloudwatch:UntagResource"
    ),
    "AWS::DynamoDB::Table": (
        "dynamodb:CreateTable dynamodb:DeleteResourcePolicy dynamodb:DeleteTable "
        "dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights "
        "dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable "
        "dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource "
        "dynamodb:PutResourcePolicy dynamodb:TagResource dynamodb:UntagResource "
        "dynamodb:UpdateContinuousBackups dynamodb:UpdateContributorInsights dynamodb:UpdateTable "
        "dynamodb:UpdateTimeToLive kms:CreateGrant kms:Decrypt kms:DescribeKey kms:Encrypt "
        "kms:ListAliases"
    ),
    "AWS::Events::Archive": (
        "events:CreateArchive events:DeleteArchive events:DescribeArchive events:UpdateArchive"
    ),
    "AWS::Events::EventBus": (
        "events:CreateEventBus events:DeleteEventBus events:DescribeEventBus "
        "events:ListTagsForResource events:TagResource events:UntagResource events:UpdateEventBus"
    ),
    "AWS::IAM::Role": (
        "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy "
        "iam:ListAttachedRolePolicies iam:ListRolePolicies iam:PutRolePolicy iam:TagRole "
        "iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription"
    ),
    "AWS::KMS::Key": (
        "kms:CreateKey kms:DescribeKey kms:DisableKey kms:DisableKeyRotation kms:EnableKey "
        "kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags "
        "kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource "
        "kms:UpdateKeyDescription"
    ),
    "AWS::Lambda::EventInvokeConfig": (
        "lambda:DeleteFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig "
        "lambda:PutFunctionEventInvokeConfig lambda:UpdateFunctionEventInvokeConfig"
    ),
    "AWS::Lambda::EventSourceMapping": (
        "kms:Decrypt kms:DescribeKey kms:GenerateDataKey lambda:CreateEventSourceMapping "
        "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:ListTags "
        "lambda:TagResource lambda:UntagResource lambda:UpdateEventSourceMapping"
    ),
    "AWS::Lambda::Function": (
        "iam:PassRole kms:CreateGrant kms:Decrypt kms:Encrypt kms:GenerateDataKey "
        "lambda:CreateFunction lambda:DeleteFunction lambda:DeleteFunctionConcurrency "
        "lambda:GetFunction lambda:GetFunctionCodeSigningConfig lambda:GetRuntimeManagementConfig "
        "lambda:ListTags lambda:PutFunctionConcurrency lambda:PutRuntimeManagementConfig "
        "lambda:TagResource lambda:UntagResource lambda:UpdateFunctionCode "
        "lambda:UpdateFunctionConfiguration s3:GetObject"
    ),
    "AWS::Logs::LogGroup": (
        "logs:AssociateKmsKey logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteRetentionPolicy "
        "logs:DescribeLogGroups logs:DisassociateKmsKey logs:GetDataProtectionPolicy "
        "logs:ListTagsForResource logs:PutRetentionPolicy logs:TagResource logs:UntagResource"
    ),
    "AWS::S3::Bucket": (
        "s3:CreateBucket s3:DeleteBucket s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration "
        "s3:GetBucketCORS s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration "
        "s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls "
        "s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning "
        "s3:GetBucketWebsite s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration "
        "s3:GetInventoryConfiguration s3:GetLifecycleConfiguration s3:GetMetricsConfiguration "
        "s3:GetReplicationConfiguration s3:ListBucket s3:PutBucketOwnershipControls "
        "s3:PutBucketPublicAccessBlock s3:PutBucketTagging s3:PutBucketVersioning "
        "s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration"
    ),
    "AWS::SNS::Topic": (
        "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
        "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:Subscribe "
        "sns:TagResource sns:Unsubscribe sns:UntagResource"
    ),
    "AWS::SQS::Queue": (
        "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags "
        "sqs:SetQueueAttributes sqs:TagQueue sqs:UntagQueue"
    ),
    "AWS::Scheduler::Schedule": (
        "iam:PassRole scheduler:CreateSchedule scheduler:DeleteSchedule scheduler:GetSchedule "
        "scheduler:UpdateSchedule"
    ),
    "AWS::Scheduler::ScheduleGroup": (
        "scheduler:CreateScheduleGroup scheduler:DeleteSchedule scheduler:DeleteScheduleGroup "
        "scheduler:GetScheduleGroup scheduler:ListTagsForResource scheduler:TagResource "
        "scheduler:UntagResource"
    ),
}
"""Resource type → the actions it asks for, separated by spaces."""
