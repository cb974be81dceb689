import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from huggingface_hub import constants
from transformers import dynamic_module_utils

from llm_bridge import hub
from llm_bridge.models import load_policy, save_policy
from tests.llm_bridge.small_model import make_tokenizer, save_small_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("models") / "qwen3", attention_dropout=0.5)


def edit_json(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_a_folder_loads_in_float32_without_dropout(folder):
    policy = load_policy(str(folder))
    assert type(policy.model).__name__ == "Qwen3ForCausalLM"
    assert not policy.model.training
    assert {value.dtype for value in policy.model.parameters()} == {torch.float32}
    assert (policy.pad_token_id, policy.eos_token_id) == (0, 1)
    tokens = torch.arange(2, 12)[None]
    first, second = (policy.model(input_ids=tokens).logits for _ in range(2))
    assert torch.equal(first, second)
    policy.model.train()
    assert not torch.equal(first, policy.model(input_ids=tokens).logits), "dropout would show"


def test_a_bfloat16_checkpoint_is_trained_in_float32_unless_asked_otherwise(tmp_path):
    policy = load_policy(str(save_small_model(tmp_path / "a")))
    policy.model.bfloat16()
    save_policy(policy, tmp_path / "b")
    assert load_policy(str(tmp_path / "b")).model.dtype == torch.float32
    assert load_policy(str(tmp_path / "b"), dtype=torch.bfloat16).model.dtype == torch.bfloat16


def test_a_saved_policy_comes_back_bit_for_bit(folder, tmp_path, capfd):
    policy = load_policy(str(folder))
    save_policy(policy, tmp_path / "copy")
    copy = load_policy(str(tmp_path / "copy"))
    weights, others = policy.model.state_dict(), copy.model.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert capfd.readouterr().err == "", "no progress bar of milliseconds"


def test_the_embedded_model_loads_by_its_name():
    policy = load_policy("embedded")
    assert policy.tokenizer.decode(policy.tokenizer("12 eggs")["input_ids"]) == "12 eggs"
    assert policy.name == "embedded"


def test_without_padding_token_the_end_token_pads(tmp_path):
    tokenizer = make_tokenizer(pad_token=None)
    folder = save_small_model(tmp_path / "model", tokenizer=tokenizer)
    policy = load_policy(str(folder))
    assert policy.pad_token_id == policy.eos_token_id == 1


def test_the_end_token_may_come_from_the_generation_config(tmp_path):
    folder = save_small_model(tmp_path / "model")
    edit_json(folder / "tokenizer_config.json", eos_token=None)
    edit_json(folder / "generation_config.json", eos_token_id=[1, 0])
    assert load_policy(str(folder)).eos_token_id == 1
    edit_json(folder / "generation_config.json", eos_token_id=None)
    edit_json(folder / "config.json", eos_token_id=None)
    with pytest.raises(ValueError, match=r"names an end-of-text token, got .*which names none"):
        load_policy(str(folder))


def test_a_tokenizer_larger_than_the_embeddings_is_refused(tmp_path):
    folder = save_small_model(tmp_path / "model", vocab_size=100)
    with pytest.raises(ValueError, match=r"whose tokenizer fits its 100 embeddings, got"):
        load_policy(str(folder))


@pytest.mark.parametrize("name", ["./no_such_model", "/no/such/model", "~/no_such_model/"])
def test_a_path_that_does_not_exist_is_refused_at_once(name):
    with pytest.raises(ValueError, match=r"load_policy: `name_or_path` must be a folder with .*"):
        load_policy(name)


def test_a_folder_without_safetensors_is_refused(tmp_path):
    folder = save_small_model(tmp_path / "model")
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"with safetensors weights, got .*save_pretrained"):
        load_policy(str(folder))


OWN_CODE = """
from transformers import Qwen3Config, Qwen3ForCausalLM
open({trace!r}, "w").close()
class OwnConfig(Qwen3Config):
    model_type = "own"
class Own(Qwen3ForCausalLM):
    config_class = OwnConfig
"""


def test_code_that_comes_with_a_model_is_run_only_if_the_user_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = save_small_model(tmp_path / "model")
    trace = tmp_path / "trace"
    (folder / "own.py").write_text(OWN_CODE.format(trace=str(trace)))
    edit_json(
        folder / "config.json",
        model_type="own",
        auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.Own"},
    )
    with pytest.raises(ValueError, match="must be a causal language model of the Transformers"):
        load_policy(str(folder))
    assert not trace.exists()
    assert type(load_policy(str(folder), trust_remote_code=True).model).__name__ == "Own"
    assert trace.exists()


def test_an_unknown_device_is_refused(folder):
    with pytest.raises(ValueError, match="load_policy: `device` must be a device of this torch"):
        load_policy(str(folder), device="abacus")


def test_a_name_that_no_hub_has_is_refused():
    with pytest.raises(ValueError, match="must be an existing folder or a hub name, OWNER/NAME"):
        load_policy("not a name!")


@pytest.mark.parametrize("reason", ["forbidden", "refused", "silent"])
def test_without_network_a_hub_name_is_refused_within_seconds(reason, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if reason == "silent":
            silent.listen()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", reason == "forbidden")
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "*")
        start = time.perf_counter()
        with pytest.raises(
            ValueError,
            match=r"hub cannot be reached, got 'nobody/no-such-model', which is no folder here "
            r"either\. Without network, pass a folder with --model PATH\.",
        ):
            load_policy("nobody/no-such-model")
        assert time.perf_counter() - start < 5.0


def test_any_answer_of_the_hub_counts_as_network(monkeypatch):
    class Refuse(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.handle_request, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "*")
    assert hub.is_hub_reachable()
    server.server_close()


def test_reading_the_cache_only_is_undone_afterwards(monkeypatch):
    import datasets.config

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub.hub_offline():
        assert constants.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_the_error_names_the_switch_for_code_that_comes_with_a_model(tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    asked = []

    def record(source, **options):
        asked.append(options["trust_remote_code"])
        raise ValueError("stop here")

    folder = str(save_small_model(tmp_path / "model"))
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", record)
    for is_trusted in (False, True):
        with pytest.raises(ValueError, match="stop here") as error:
            load_policy(folder, trust_remote_code=is_trusted)
        assert ("--trust-remote-code" in str(error.value)) != is_trusted
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", record)
    with pytest.raises(ValueError, match="stop here"):
        load_policy(folder)
    assert asked == [False, True, False]


def test_attention_is_computed_as_asked_and_what_is_not_here_is_refused(folder):
    tokens = torch.arange(2, 12)[None]
    policies = [load_policy(str(folder), attn_implementation=name) for name in ("eager", "sdpa")]
    assert [policy.model.config._attn_implementation for policy in policies] == ["eager", "sdpa"]
    first, second = (policy.model(input_ids=tokens).logits for policy in policies)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    for name in ("flash_attention_2", "no_such"):
        with pytest.raises(
            ValueError, match=r"load_policy: `attn_implementation` must be one that"
        ):
            load_policy(str(folder), attn_implementation=name)
