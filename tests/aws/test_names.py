"""The names that the settings take are those that AWS takes, as far as botocore knows them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.session import get_session
from botocore.utils import check_dns_name
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.aws.account import beyond
from validation import BucketName, ClusterName, Region, TableName

TEXTS = st.text("abZ09-_. ", min_size=1, max_size=70)
MODELS = {service: get_session().get_service_model(service) for service in ("dynamodb", "eks")}


def accepted(type_: Any, text: str) -> bool:
    try:
        TypeAdapter(type_).validate_python(text)
    except ValidationError:
        return False
    return True


def known(service: str, shape: str, text: str) -> bool:
    return not list(beyond(MODELS[service].shape_for(shape), text, shape))


@given(TEXTS)
def test_names_of_clusters_and_tables(text: str) -> None:
    for name in (text, text * 5):
        assert accepted(ClusterName, name) == known("eks", "ClusterName", name)
        assert accepted(TableName, name) == known("dynamodb", "TableName", name)


@given(TEXTS)
def test_names_of_buckets_are_host_names_under_s3(text: str) -> None:
    assert accepted(BucketName, text) == check_dns_name(text)


@pytest.mark.parametrize("reserved", ["xn--logs", "sthree-logs", "amzn-s3-demo-logs", "logs-s3alias", "logs--x-s3"])
def test_a_bucket_has_no_reserved_prefix_or_suffix(reserved: str) -> None:
    assert not accepted(
        BucketName, reserved
    )  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html


def test_regions_are_those_of_the_partition_that_the_arns_name() -> None:
    session = boto3.Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("s3", partition_name=partition):
            assert accepted(Region, region) == (partition == "aws"), region
