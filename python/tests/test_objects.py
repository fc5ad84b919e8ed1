"""Contexts, problems, plans, reports and wisdom."""

import numpy as np
import pytest

import clconv

PROBLEM = "n1c4h6w7k8kh3kw3"


def test_problem():
    p = clconv.Problem("n2c4h6w7k8kh3kw2sh2sw1p1", activation="leaky_relu", activation_slope=0.25, bias=True)
    assert (p.n, p.c, p.h, p.w, p.k, p.kh, p.kw, p.sh, p.sw, p.pt, p.pr, p.g) == (2, 4, 6, 7, 8, 3, 2, 2, 1, 1, 1, 1)
    assert p.text == "n2c4h6w7k8kh3kw2sh2sw1p1"
    assert (p.x_shape, p.w_shape, p.y_shape) == ((2, 4, 6, 7), (8, 4, 3, 2), (2, 8, 3, 8))
    assert p.info()["flops"] == 2 * 2 * 8 * 3 * 8 * 4 * 3 * 2 and p.info()["x_bytes"] == 4 * 2 * 4 * 6 * 7
    assert repr(p) == "Problem('n2c4h6w7k8kh3kw2sh2sw1p1', bias=True, activation='leaky-relu', activation_slope=0.25)"
    assert p == eval(repr(p), {"Problem": clconv.Problem}) and p != clconv.Problem(p.text)
    p.layout, p.weights_layout, p.data_type = "nhwc", "krsc", "float16"
    assert (p.x_shape, p.w_shape, p.y_shape) == ((2, 6, 7, 4), (8, 3, 2, 4), (2, 3, 8, 8))
    assert p.info()["x_bytes"] == 2 * 2 * 4 * 6 * 7


def test_plan_and_report():
    context = clconv.default_context()
    plan = context.plan(clconv.Problem(PROBLEM, bias=True), deterministic=True)
    assert plan.deterministic and plan.error_bound > 0 and plan.steps >= 1
    assert plan.problem == clconv.Problem(PROBLEM, bias=True)
    assert repr(plan) == f"<Plan of {PROBLEM}: {plan.strategy} ({plan.config or '-'})>"
    with pytest.raises(AttributeError, match="Plan has no attribute 'speed'"):
        plan.speed
    report = plan.explain()
    assert report["chosen"] == {"strategy": plan.strategy, "config": plan.config} and isinstance(report, dict)
    lines = str(report).splitlines()
    assert PROBLEM in lines[0] and "bias" in lines[0] and lines[1].split()[:3] == ["strategy", "config", "predicted"]
    assert lines[2].split()[0] == plan.strategy and "chosen" in lines[2]
    assert len(lines) >= 2 + len(report["candidates"])
    page = report._repr_html_()
    assert page.count("<tr") == 1 + len(report["candidates"]) and "font-weight:bold" in page
    assert "&lt;" in clconv.Report({**report, "problem": "<script>"})._repr_html_()
    steps = plan_steps(context, plan)
    assert steps and all(step["us"] >= 0 for step in steps)


def plan_steps(context, plan):
    cl = pytest.importorskip("pyopencl")
    info = plan.problem.info()
    buffer = lambda size: cl.Buffer(context.opencl, cl.mem_flags.READ_WRITE, info[size])
    return plan.profile(x=buffer("x_bytes"), w=buffer("w_bytes"), b=buffer("b_bytes"), y=buffer("y_bytes"))


def test_explain_where_nothing_can_run():
    context = clconv.default_context()
    report = context.explain("n1c4h6w7k8kh5kw5", strategy="winograd")
    assert report["chosen"] is None and "winograd" in report["why_nothing"]
    assert "nothing: " in str(report) and "font-weight" not in report._repr_html_()
    elsewhere = clconv.explain_profile(context.profile(), PROBLEM)
    assert elsewhere["chosen"] is not None


def test_plan_computes_on_arrays():
    x, w = np.ones((1, 4, 6, 7), "f4"), np.ones((8, 4, 3, 3), "f4")
    plan = clconv.default_context().plan(PROBLEM)
    assert np.all(plan.run(x=x, w=w) == 36)
    gradient = clconv.default_context().plan(clconv.Problem(PROBLEM, direction="backward-bias", accumulate=True))
    out = np.ones(8, "f4")
    assert gradient.run(dy=np.ones((1, 8, 4, 5), "f4"), out=out) is out and np.all(out == 21)
    with pytest.raises(ValueError, match="accumulate adds to what it holds"):
        gradient.run(dy=np.ones((1, 8, 4, 5), "f4"))


def test_context():
    context = clconv.Context(cache_directory="off", wisdom="off", scratch_limit_bytes=1 << 20)
    assert context.memory()["scratch_limit_bytes"] == 1 << 20
    assert context.stats()["wisdom"]["path"] in ("", "off", None)
    assert context.profile()["name"]
    y = clconv.conv2d(np.ones((1, 1, 4, 4), "f4"), np.ones((1, 1, 3, 3), "f4"), context=context)
    assert np.all(y == 9)
    context.trim()
    assert context.memory()["plans"] == 0
    assert any(d["default"] for d in clconv.devices())
    clconv.set_default_context(context)
    assert clconv.default_context() is context
    clconv.set_default_context(None)
    assert clconv.default_context() is not context


def test_wisdom(tmp_path):
    file, lines = str(tmp_path / "wisdom.sqlite"), str(tmp_path / "wisdom.jsonl")
    context = clconv.Context(wisdom=file)
    plan = context.plan(PROBLEM, rigor="measure", allow=["naive"])
    assert plan.measured_us > 0
    records = clconv.wisdom.read(file)["records"]
    assert [r["problem"] for r in records if r["problem"].startswith("n1")] == [PROBLEM]
    clconv.wisdom.check(file)
    clconv.wisdom.export_to(lines, file)
    other = str(tmp_path / "other.sqlite")
    assert clconv.wisdom.import_from(lines, other) >= 1
    assert clconv.wisdom.forget(PROBLEM, path=other) == 1
    assert clconv.wisdom.forget_unreadable(other) == 0
    assert isinstance(clconv.wisdom.path(), str)
    (tmp_path / "broken").write_text("no wisdom")
    with pytest.raises(clconv.FileError, match="broken"):
        clconv.wisdom.check(str(tmp_path / "broken"))


def test_public_names_are_documented():
    import inspect

    for name in clconv.__all__:
        assert inspect.getdoc(getattr(clconv, name)), name
    assert clconv.__version__.count(".") == 2


def test_stub_names_what_the_extension_has():
    import pathlib
    import re

    from clconv import _core

    stub = pathlib.Path(clconv.__file__).with_name("_core.pyi").read_text()
    declared = set(re.findall(r"^(?:def |class )?(\w+)(?:\(|:)", stub, re.M)) - {"from", "import"}
    public = {n for n in dir(_core) if not n.startswith("_")}
    assert public == declared
    for owner in (_core.Context, _core.Plan, _core.Network, _core.Problem):
        for name in vars(owner):
            if not name.startswith("_"):
                assert re.search(rf"\bdef {name}\b", stub), f"{owner.__name__}.{name}"
