"""What a build refuses before it compiles, looked at when it is planned: not after an hour's conversion."""

from __future__ import annotations

from edgepack.compile import python_code
from edgepack.compile.flow import check_flow, flow_of
from edgepack.compile.toolchains import select
from edgepack.errors import InputError
from edgepack.model import sealed_key
from edgepack.plan.step import Plan
from edgepack.store import Store


def check(plan: Plan, store: Store) -> None:
    """Raises what a program's compile step and its bundle would, as far as it shows without running one.

    No node is asked, nothing is fetched, and no command of the user's is run.
    """
    project = plan.project
    for target, chain in plan.chains.items():
        if "compile" not in chain or plan.step(target, "compile").cached:
            continue
        choice = plan.choices[target]
        select.check(choice.toolchain, choice.target.arch, project.folder)
        python_code.check(project, choice.target)
        model = store.get(plan.step(target, "convert").key)
        outputs = [str(row.get("tensor", row["name"])) for row in model.report["outputs"]] if model else None
        try:
            check_flow(flow_of(project.manifest, target), outputs)
        except InputError as error:
            error.where = f"edgepack.yaml:{project.document.line(('sink',))}"
            raise
    said = project.manifest.encryption
    if said and said.key.at_hand and any(step.stage == "package" for step in plan.todo):
        sealed_key.fetch(said, project.folder)
