"""Sessions of botocore for the sandbox's own use, which nothing of this machine's configuration reaches."""

import functools
import os
from typing import Any, Final

from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
from botocore.loaders import Loader
from botocore.session import Session

_FILES: Final = ("config_file", "credentials_file")
_SECTIONS: Final = ("s3", "proxies_config")


@functools.cache
def loader() -> Any:
    """Reads the models that are installed with botocore, and none of `~/.aws/models` or `AWS_DATA_PATH`."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def own_session() -> Any:
    """A session for which no variable is set and no file of a person is there.

    The sandbox calls itself with keys of its own: a profile that does not exist, or an option that only some versions
    of an SDK know, must not keep it from starting.
    """
    session = Session()
    session.register_component("data_loader", loader())
    store = session.get_component("config_store")
    for name, (_, _, default, _) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items():
        store.set_config_provider(name, ConstantProvider(os.devnull if name in _FILES else default))
    for name in _SECTIONS:
        store.set_config_provider(name, ConstantProvider({}))
    return session


def environment() -> dict[str, str]:
    """This process's variables for a child that makes such sessions by itself, without those of AWS's SDKs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BOTO"))}
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
