"""Who is logged in to W&B, by the places where wandb looks."""

from types import SimpleNamespace

import pytest
import wandb

from nolab.tracking import wandb_login


class TestLoggedIn:
    CLOUD = "https://api.forge.coreweave.com"

    @pytest.fixture(autouse=True)
    def nobody(self, monkeypatch, tmp_path):
        for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    def ask(self, monkeypatch, base_url: str) -> bool:
        settings = SimpleNamespace(base_url=base_url)
        monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=settings))
        return wandb_login.logged_in()

    @pytest.mark.parametrize(
        ("entry", "base_url", "known"),
        [
            (None, CLOUD, False),
            ("machine api.wandb.ai login user password secret", CLOUD, True),
            ("machine api.forge.coreweave.com login user password secret", CLOUD, True),
            ("machine api.forge.coreweave.com login user password secret", "https://api.wandb.ai", True),
            ("machine api.wandb.ai login user password secret", "https://wandb.mine.org", False),
            ("machine wandb.mine.org login user password secret", "https://wandb.mine.org", True),
            ("machine localhost:8080 login user password secret", "http://localhost:8080", True),
            ("machine github.com login user password secret", CLOUD, False),
            ("no netrc file, this", CLOUD, False),
        ],
    )
    def test_a_netrc_entry_counts_for_its_server(self, monkeypatch, tmp_path, entry, base_url, known):
        if entry is not None:
            (tmp_path / "netrc").write_text(entry + "\n")
            (tmp_path / "netrc").chmod(0o600)
        assert self.ask(monkeypatch, base_url) is known

    def test_the_home_folders_netrc_is_read_without_one_named(self, monkeypatch, tmp_path):
        monkeypatch.delenv("NETRC")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert not self.ask(monkeypatch, self.CLOUD)
        (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
        (tmp_path / ".netrc").chmod(0o600)
        assert self.ask(monkeypatch, self.CLOUD)

    @pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"])
    def test_an_environment_variable_is_enough(self, monkeypatch, name):
        monkeypatch.setenv(name, "k" * 40)
        assert self.ask(monkeypatch, self.CLOUD)
