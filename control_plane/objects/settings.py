"""Where audio is kept: a folder of this machine, or a bucket of S3, R2 and their likes."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.settings import EnvironmentSettings


class ObjectSettings(EnvironmentSettings):
    """Names as in AWS's own tools. Without a bucket the folder is used and we serve its links."""

    objects_dir: Path = Path(".local/objects")
    objects_bucket: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_region: str = "us-east-1"  # R2 calls it "auto"
    aws_endpoint_url: str | None = None
    # Signs links into the folder; a new one makes all old links useless.
    object_link_secret: SecretStr | None = Field(default=None, min_length=32)
    public_url: str = "http://localhost:8000"  # what clients reach us at; links begin with it

    # Its name is its own: where settings are composed, a second one of a name replaces the first.
    @field_validator("aws_endpoint_url", "public_url")
    @classmethod
    def _is_object_address(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// or http://")
        return value and value.rstrip("/")

    @model_validator(mode="after")
    def _can_sign_links(self) -> Self:
        if self.objects_bucket is None and self.object_link_secret is None:
            raise ValueError("set OBJECTS_BUCKET, or OBJECT_LINK_SECRET to use a folder")
        return self
