#!/bin/sh
# moto 5.2.5, IAM enforcement on: CloudWatch is denied to everybody whose policy allows it.
#
# AWS authorizes CloudWatch's calls as actions of the prefix `cloudwatch`, such as cloudwatch:ListMetrics, and signs
# them for the service `monitoring`. moto takes the name in the signature as the action's prefix. So a user whose policy
# allows cloudwatch:ListMetrics gets 403, with and without wildcards, while a policy that allows the action
# `monitoring:ListMetrics`, which AWS does not have, lets the user in. DynamoDB, where both names agree, is the control.
#
# Seen: "cloudwatch:ListMetrics -> 403", "monitoring:ListMetrics -> allowed",
#       "dynamodb:ListTables -> allowed". Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check moto==5.2.5 boto3==1.44.8 \
  'moto[dynamodb]==5.2.5'
cat > "$scratch/try.py" <<'PYTHON'
import json
import sys

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

REGION = "us-west-2"


@mock_aws
def outcome(action, service, call):
    """What a user gets whose only policy allows `action` on everything."""
    iam = boto3.client("iam", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    client = boto3.client(
        service, REGION, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )

    @set_initial_no_auth_action_count(0)
    def ask():
        try:
            getattr(client, call)()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "allowed"

    return ask()


CASES = {
    ("cloudwatch:ListMetrics", "cloudwatch", "list_metrics"): "403",
    ("cloudwatch:*", "cloudwatch", "list_metrics"): "403",
    ("monitoring:ListMetrics", "cloudwatch", "list_metrics"): "allowed",
    ("dynamodb:ListTables", "dynamodb", "list_tables"): "allowed",
}
seen = {case: outcome(*case) for case in CASES}
for (action, *_), result in seen.items():
    print(f"{action} -> {result}")
sys.exit(seen != CASES)
PYTHON
"$scratch/venv/bin/python" "$scratch/try.py" || { echo "moto behaves otherwise now" >&2; exit 1; }
