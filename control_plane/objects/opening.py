"""Chooses the folder or the bucket that the settings name."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from obstore.store import LocalStore, S3Store

from control_plane.objects.kept import KeptObjects
from control_plane.objects.links import BucketLinks, FolderLinks, LinkSignature
from control_plane.objects.port import ObjectStore
from control_plane.objects.settings import ObjectSettings
from shared.clock import Clock, SystemClock

if TYPE_CHECKING:
    from obstore.store import S3Config

CONNECT_TIMEOUT = timedelta(seconds=2)  # storage is near; waiting longer than for Postgres is vain
READ_TIMEOUT = timedelta(seconds=5)  # between two pieces
REQUEST_TIMEOUT = timedelta(seconds=60)  # a whole download, at the pace of a slow reader
RETRIES_MAX: Final = 2
RETRY_TIMEOUT = timedelta(seconds=5)
FOLDER_MODE: Final = 0o700  # audio of customers is nobody else's on this machine


def open_objects(settings: ObjectSettings, *, clock: Clock | None = None) -> ObjectStore:
    """The store, ready; nothing is asked of a bucket before it is used."""
    if settings.objects_bucket is not None:
        bucket = _bucket(settings, settings.objects_bucket)
        return KeptObjects(bucket, BucketLinks(bucket), keeps_media_type=True)
    links = FolderLinks(
        link_signature(settings), public_url=settings.public_url, clock=clock or SystemClock()
    )
    settings.objects_dir.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    return KeptObjects(LocalStore(settings.objects_dir), links, keeps_media_type=False)


def link_signature(settings: ObjectSettings) -> LinkSignature:
    """Of links into the folder."""
    secret = settings.object_link_secret
    assert secret is not None, "the settings demand one where there is no bucket"
    return LinkSignature(secret.get_secret_value())


def _bucket(settings: ObjectSettings, name: str) -> S3Store:
    endpoint = settings.aws_endpoint_url
    return S3Store(
        name,
        config=_credentials(settings),
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "timeout": REQUEST_TIMEOUT,
        },
        retry_config={"max_retries": RETRIES_MAX, "retry_timeout": RETRY_TIMEOUT},
    )


def _credentials(settings: ObjectSettings) -> "S3Config":
    """What is set; without a key the machine's own role is asked."""
    config: S3Config = {"region": settings.aws_region}
    if settings.aws_endpoint_url:
        config["endpoint"] = settings.aws_endpoint_url
    if settings.aws_access_key_id:
        config["access_key_id"] = settings.aws_access_key_id
    if settings.aws_secret_access_key:
        config["secret_access_key"] = settings.aws_secret_access_key.get_secret_value()
    if settings.aws_session_token:
        config["session_token"] = settings.aws_session_token.get_secret_value()
    return config
