import json
import re
from dataclasses import replace

import torch
import yaml
from huggingface_hub import ModelCard

from llm_bridge.config import TrainConfig
from llm_bridge.model_card import model_card
from llm_bridge.models import load_policy
from tests.llm_bridge.training import SMALL


def card_of(config, uninterrupted):
    summary, provenance = (
        json.loads((uninterrupted / name).read_text())
        for name in ("summary.json", "provenance.json")
    )
    return model_card(config.resolved(), summary, provenance)


def header(text):
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])


def test_the_card_tells_rule_data_settings_versions_and_pass_rates(uninterrupted):
    text = (uninterrupted / "model" / "README.md").read_text()
    assert text == card_of(SMALL, uninterrupted)
    card = ModelCard(text)
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-generation"
    assert "clip" in card.data.tags
    rule = SMALL.update_rule
    for part in (repr(rule), rule.formula, rule.source, "rows of `embedded`"):
        assert part in text
    last = json.loads((uninterrupted / "summary.json").read_text())["last_evaluation"]
    row = next(line for line in text.splitlines() if line.startswith("| heldout |"))
    low, high = last["heldout_pass_at_1_low"], last["heldout_pass_at_1_high"]
    assert row.endswith(f"| {last['heldout_pass_at_1']:.4f} | {low:.4f} to {high:.4f} |")
    config = SMALL.resolved().as_dict()
    for name in ("learning_rate", "seed", "temperature", "optimizer"):
        assert f"| {name} | `{config[name]}` |" in text
    versions = json.loads((uninterrupted / "provenance.json").read_text())["versions"]
    assert f"torch {versions['torch']}" in text


def test_every_setting_is_told_once(uninterrupted):
    text = card_of(SMALL, uninterrupted)
    told = re.findall(r"^\| (\w+) \| `", text, re.MULTILINE)
    config = SMALL.resolved().as_dict()
    named = {"model", "dataset", "rule", "hyper", "reference"}
    assert set(told) == {name for name, value in config.items() if value is not None} - named
    assert len(set(told)) == len(told)


def test_hub_names_stand_in_the_header_and_paths_keep_their_last_part(uninterrupted, tmp_path):
    hub = replace(SMALL, model="owner/base", dataset="owner/rows:main", prompt_format="instruction")
    assert header(card_of(hub, uninterrupted))["base_model"] == "owner/base"
    assert header(card_of(hub, uninterrupted))["datasets"] == ["owner/rows"]
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "base").mkdir()
    rule = tmp_path / "secret" / "mine.py"
    rule.write_text(
        "from dataclasses import replace\nfrom banditlab import get_rule\n"
        "mine = replace(get_rule('clip'), name='mine')\n"
    )
    local = TrainConfig(
        model=str(tmp_path / "secret" / "base"),
        dataset=str(tmp_path / "secret" / "rows.jsonl"),
        reference_model=str(tmp_path / "secret" / "other"),
        reference={"estimator": "k3", "coefficient": 0.1},
        rule=f"{rule}:mine",
    )
    text = card_of(local, uninterrupted)
    assert "secret" not in text
    assert str(tmp_path) not in text
    assert "base is `base`" in text
    assert "mine.py:mine" in text
    assert "base_model" not in header(text)
    assert "datasets" not in header(text)


def test_greedy_responses_and_every_k_have_their_row(uninterrupted):
    config = replace(SMALL, pass_at=(2, 5), eval_greedy=True).resolved()
    fields = {"num_samples": 80, "num_prompts": 16, "pass_rate": 0.5}
    rates = {name: 0.25 for k in (1, 2, 5) for name in (f"pass_at_{k}", f"pass_at_{k}_low")}
    rates |= {f"pass_at_{k}_high": 0.75 for k in (1, 2, 5)}
    line = {f"{p}_{name}": v for p in ("train", "train_greedy") for name, v in fields.items()}
    line |= {f"{p}_{name}": v for p in ("train", "train_greedy") for name, v in rates.items()}
    summary = {"num_updates": 3, "first_evaluation": line, "last_evaluation": line}
    provenance = {"versions": {"python": "3"}, "num_threads": 1}
    text = model_card(config, summary, provenance)
    assert re.findall(r"^\| (train[a-z, ]*) \| 16 \| 80 \| (\S+) \|", text, re.MULTILINE) == [
        ("train", "Pass@2"),
        ("train", "Pass@5"),
        ("train, greedy", "Pass@1"),
    ]
    assert "heldout" not in text.split("## Settings")[0]


def test_the_folder_loads_as_its_card_says(uninterrupted, monkeypatch):
    text = (uninterrupted / "model" / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    monkeypatch.chdir(uninterrupted)
    found = {}
    exec(compile(code, "README.md", "exec"), found)
    ours = load_policy("model")
    assert found["tokenizer"].get_vocab() == ours.tokenizer.get_vocab()
    weights, others = found["model"].state_dict(), ours.model.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    tokens = found["tokenizer"]("What is 1 + 1?", return_tensors="pt")["input_ids"]
    ends = found["model"].generate(tokens, max_new_tokens=3, do_sample=False)
    assert ends.shape[1] > tokens.shape[1]
