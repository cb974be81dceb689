"""What each check says where its property fails, so that no rule is rejected by accident.

A rule that raises is rejected too, with another message; a broken rule must not be.
"""

MESSAGES = {
    "gradient_of_objective": r"^the weight\[\d+, \d+\] is \S+ instead of \S+$",
    "on_policy_weight_is_advantage": r"^the weight at ratio 1\[",
    "shift_of_both_log_probs": r"^the weight after the shift\[",
    "no_advantage_no_weight": r"^the weight at advantage 0\[",
    "clip_zeroes_outward_side": r"^a sample past the clip still counts: advantage ",
    "clip_keeps_inward_side": r"^a sample that the clip does not reach is silenced: advantage ",
    "clip_begins_where_declared": r"^a sample (just past the clip still counts"
    r"|that the clip does not reach yet is silenced): advantage ",
    "dual_clip_zeroes_likely_bad_samples": r"^a bad sample past the dual clip still counts: ",
    "penalty_pulls_back": r"^the penalty alone has weight \S+ at ratio ",
    "sample_permutation": r"^the weight in the new order\[",
    "batch_independence": r"^the first sample's weight among other samples\[",
    "microbatch_split": r"^the weight in a microbatch\[",
    "vectorised_equals_per_sample": r"^the weight\[",
    "determinism": r"^the same input gives another weight the second time$",
    "padding_has_no_influence": r"^the weight with -?[\d.]+ in the padding\[",
    "nan_in_padding_has_no_influence": r"^the (weight|loss) with nan in the padding",
    "padding_width": r"^the weight with wider padding\[",
    "empty_response_is_harmless": r"^(a weight beside an empty response is not finite"
    r"|the loss beside an empty response is nan"
    r"|an empty response has a weight|the weight beside an empty response\[)",
    "inputs_untouched": r"^`(log_prob|old_log_prob|advantage|mask)` after the call\[",
    "shape_kept": r"^(inputs of shape .* give a weight of shape|the weight in shape .*\[)",
    "dtype_kept": r"^\w+ \w+ inputs give a weight of \w+$",
    "namespace_kept": r"^(inputs of \w+ give a weight of \w+$|the weight in \w+\[)",
    "device_kept": r"^(on \w+ it raises \w+: .*(device|numpy|copy)|inputs on \w+ give a weight on)",
    "extreme_ratios_finite": r"^in \w+ \w+ a weight is not finite at log-ratios up to ",
    "float32_accuracy": r"^the weight in float32\[",
    "bfloat16_accuracy": r"^the weight in bfloat16\[",
    "rewards_untouched": r"^`reward` after the call\[",
    "advantage_namespace_and_dtype": r"^(rewards of \w+ \w+ give advantages of|the advantage in )",
    "group_permutation": r"^the advantage in the new order\[",
    "prompt_permutation": r"^the advantage in the new order of prompts\[",
    "groups_independent": r"^the first group's advantage beside other groups\[",
    "groups_one_by_one": r"^the advantage\[",
    "unanimous_group": r"^(an advantage is not finite|equal rewards differ"
    r"|a unanimous group has an advantage)$",
    "better_reward_no_less_advantage": r"^(an advantage is not finite$"
    r"|rewards \[.*have advantages)",
    "singleton_group_as_declared": r"^(a group of one is refused: "
    r"|the advantage of a group of one is not finite|a group of one with reward \S+ gets )",
    "advantage_determinism": r"^the same rewards differ$",
    "reward_shift_as_declared": r"^the advantage of rewards \+ ",
    "reward_scale_as_declared": r"^the advantage of \S+ \* rewards\[",
    "unit_deviation_as_declared": r"^the (population|sample) deviation of a group\[",
    "reward_units_finite": r"^an advantage in \w+ is not finite for rewards of ",
    "expected_gradient_as_declared": r"^the expected step at group size ",
    "logit_gradient_finite": r"^the gradient of the logits is not finite$",
    "small_step_improves": r"^a step of 0\.001 changes the expected reward by -",
}
