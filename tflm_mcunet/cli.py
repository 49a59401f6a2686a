"""The command line: `tflm-mcunet COMMAND ...`."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from absl import app, flags
from absl.flags import argparse_flags

from tflm_mcunet import __version__
from tflm_mcunet.errors import Error
from tflm_mcunet.options import EDGES, EXPORTS, EXTRAS, INPUTS, MINIMIZE, SCHEDULES, Options, parse_bytes


class _Parser(argparse_flags.ArgumentParser):
    """Reports a wrong command line as one line, with status 2 and the nearest option."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(inherited_absl_flags=None, **kwargs)

    def check_options(self, words: Sequence[str]) -> None:
        """Refuses an unknown option before one that is missing, as which it may be meant."""
        inner = next((a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction)), None)
        if inner is not None:
            if words and words[0] in inner:
                inner[words[0]].check_options(words[1:])
            return
        known = [option for action in self._actions for option in action.option_strings]
        for name in (word.split("=")[0] for word in words if word.startswith("--") and len(word) > 2):
            if not any(option.startswith(name) for option in known):
                self.error(f"unrecognized arguments: {name}")

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[1], known, n=1)
            message = f"unknown option {unknown[1]}" + (f": did you mean {near[0]}?" if near else "; see --help")
        choice = re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message)
        if choice:
            known = [word.strip("' ") for word in choice[3].split(",")]
            near = difflib.get_close_matches(choice[2], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}"
            wrong = f"unknown command {choice[2]}" if choice[1] == "COMMAND" else f"{choice[1]}: invalid choice {choice[2]}"
            message = f"{wrong}: {hint}"
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(2)


def run() -> None:
    """The console script."""
    app.run(main, flags_parser=parse)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command and its options; exits with status 2 where they make no sense."""
    flags.FLAGS(argv[:1])  # absl's own flags keep their defaults
    parser, commands = make_parser()
    parser.check_options(argv[1:])
    options, rest = parser.parse_known_args(argv[1:])
    if rest:
        commands[options.command].error(f"unrecognized arguments: {rest[0]}")
    return options


def make_parser() -> tuple[_Parser, Mapping[str, _Parser]]:
    """The parser, and those of the commands by name."""
    parser = _Parser(prog="tflm-mcunet", description="int8 .tflite models as static C, bit-exact with TensorFlow Lite Micro")
    parser.add_argument("--version", action="version", version=f"tflm-mcunet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_compile(commands)
    _add_verify(commands)
    _add_bench(commands)
    _add_analyze(commands)
    _add_compare(commands)
    _add_evaluate(commands)
    _add_rewrite(commands)
    _add_search(commands)
    _add_train(commands)
    _add(commands, "targets", "list boards and cores", show_targets)
    _add(commands, "operators", "list supported operators and their limits", show_operators)
    _add(commands, "doctor", "versions, tools and a self-test, for bug reports", run_doctor)
    _add_completion(commands)
    return parser, commands.choices


def main(options: argparse.Namespace) -> int:
    """Runs the command; errors of the user's making are one line and status 2."""
    try:
        _keep_inputs(options)
        status = int(options.function(options) or 0)
        sys.stdout.flush()
        return status
    except Error as error:
        print(f"error: {error}".replace("\n", " "), file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _keep_inputs(options: argparse.Namespace) -> None:
    """Refuses to write over a file that the command reads."""
    models = [options.model] if getattr(options, "model", None) else getattr(options, "models", [])
    read = [*models, getattr(options, "data", None), getattr(options, "inputs", None)]
    for name in ("out", "html", "plot"):
        written = getattr(options, name, None)
        for path in filter(None, read):
            if written and os.path.isfile(written) and os.path.isfile(path) and os.path.samefile(written, path):
                raise Error(f"--{name} {written} is what the command reads: name another file")


# ---- the options of each command ----


def _add(commands: Any, name: str, summary: str, function: Callable[[argparse.Namespace], Any], example: str = "") -> Any:
    epilog = f"example: tflm-mcunet {name} {example}".rstrip()
    command = commands.add_parser(name, help=summary, description=summary, epilog=epilog)
    command.set_defaults(function=function)
    command.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return command


def _add_model(commands: Any, name: str, summary: str, function: Callable[[argparse.Namespace], Any], example: str) -> Any:
    command = _add(commands, name, summary, function, f"model.tflite {example}".rstrip())
    command.add_argument("model", metavar="MODEL", help="int8 .tflite file")
    _add_compilation(command)
    return command


def _add_compilation(command: Any) -> None:
    """How a model is compiled."""
    command.add_argument("--target", metavar="NAME", help="board or core (default: generic, or the core of --on)")
    command.add_argument("--name", metavar="PREFIX", help="prefix of the C symbols (default: the file's name)")
    command.add_argument(
        "--sram",
        metavar="BYTES",
        help="limit of the arena, such as 65536 or 64KB (default: the board's SRAM but for stack, heap and runtime)",
    )
    command.add_argument("--minimize", default="latency", choices=MINIMIZE, help="what matters most (default: latency)")
    command.add_argument("--schedule", default="auto", choices=SCHEDULES, help="how operators interleave (default: auto)")
    command.add_argument("--patches", type=_count, metavar="P", help="patch: a grid of P x P (default: searched)")
    command.add_argument("--patch-depth", type=_count, metavar="N", help="patch: the first N operators (default: searched)")
    command.add_argument("--macs-budget", type=_factor, default=1.0, metavar="X", help="auto: recompute up to X times the work")
    command.add_argument("--input", default="whole", choices=INPUTS, help="pull asks the application for rows (default: whole)")
    command.add_argument("--io", default="model", choices=EDGES, help="int8 drops conversions at the edges (default: model)")
    command.add_argument("--keep-dead-channels", action="store_true", help="keep channels that are proved constant")
    command.add_argument("--export", choices=EXPORTS, help="write a project of this ecosystem, with an example")
    command.add_argument("--with", dest="extras", default="", metavar="LIST", help=f"extras: {', '.join(EXTRAS)}")
    command.add_argument("--verbose", "-v", action="store_true", help="show the graph after each pass, the schedule and the plan")


def _add_compile(commands: Any) -> None:
    command = _add_model(commands, "compile", "write a model as C", compile_model, "--out firmware/model --target stm32f746")
    command.add_argument("--out", required=True, metavar="DIR", help="folder for the C files and report.json")


def _add_verify(commands: Any) -> None:
    command = _add_model(commands, "verify", "compare with TFLM byte for byte", verify_model, "--on cortex-m7 --samples 20")
    command.add_argument("--on", default="host", metavar="CORE", help="host, or an emulated core such as cortex-m4")
    command.add_argument("--samples", type=_count, default=10, metavar="N", help="random inputs (default: 10)")
    command.add_argument("--inputs", metavar="FILE.npz", help="inputs from a file instead of random ones")


def _add_bench(commands: Any) -> None:
    command = _add_model(commands, "bench", "count instructions on an emulated core", bench_model, "--on cortex-m7")
    command.add_argument("--on", default="cortex-m7", metavar="CORE", help="emulated core (default: cortex-m7)")
    command.add_argument("--profile", action="store_true", help="list the instructions of each operator and C function")


def _add_analyze(commands: Any) -> None:
    summary = "report SRAM, flash and work without writing the model"
    command = _add_model(commands, "analyze", summary, analyze_model, "--target stm32f746")
    command.add_argument("--pareto", action="store_true", help="the front of SRAM against work instead of one schedule")
    command.add_argument("--plot", metavar="FILE", help="with --pareto: also draw it (.png, .svg or .pdf)")
    command.add_argument("--html", metavar="FILE", help="write all of it as one page, with other schedules and the front")
    command.add_argument("--full", action="store_true", help="show what --html writes here, too")
    command.add_argument("--on", metavar="CORE", help="measure on this emulated core, too (with --full)")
    _add_data(command, "labelled data to evaluate, with --full")


def _add_data(command: Any, summary: str, **more: Any) -> None:
    command.add_argument("--data", metavar="PATH", help=f"{summary} (.npz, or a folder of pictures per class)", **more)
    command.add_argument("--array", metavar="NAME", help="data: the array of samples, where it is not called x or x_test")
    pixels = "data: pixels stand for 0 to 255 (raw), 0 to 1 (unit), -1 to 1 (signed)"
    command.add_argument("--pixels", default="auto", choices=("auto", "raw", "unit", "signed"), help=pixels)
    command.add_argument("--limit", type=_count, metavar="N", help="data: so many samples, evenly spread (default: all)")
    command.add_argument("--tflm-samples", type=_natural, default=300, metavar="N", help="data: so many in TFLM (default: 300)")


def _add_compare(commands: Any) -> None:
    summary = "line up models, schedules (model.tflite:stream) or compiled folders"
    command = _add(commands, "compare", summary, compare_models, "a.tflite a.tflite:stream b.tflite --target stm32f746")
    command.add_argument("models", metavar="MODEL", nargs="+", help="int8 .tflite file, with :SCHEDULE behind it, or a folder")
    command.add_argument("--html", metavar="FILE", help="also write it as a page")
    _add_compilation(command)


def _add_evaluate(commands: Any) -> None:
    summary = "accuracy of the generated code on labelled data, and agreement with TFLM"
    command = _add_model(commands, "evaluate", summary, evaluate_model, "--data test.npz")
    _add_data(command, "labelled data", required=True)


def _add_search(commands: Any) -> None:
    from nas.cli import add_options

    summary = "search for a network that fits a board"
    epilog = "example: tflm-mcunet search space --target stm32f746"
    add_options(commands.add_parser("search", help=summary, description=summary, epilog=epilog), _Parser)


def _add_train(commands: Any) -> None:
    from nas.train_cli import add_options, train_model

    example = "--data fashion.npz --model resnet-8 --target stm32f746 --out fashion"
    add_options(_add(commands, "train", "train and quantise a network, compile and verify it", train_model, example))


def _add_rewrite(commands: Any) -> None:
    summary = "write the model with a region as one operator for TFLM, and that operator"
    command = _add_model(commands, "rewrite", summary, rewrite_model, "--out small.tflite --target stm32f746")
    command.add_argument("--out", required=True, metavar="FILE.tflite", help="the model; its C goes to FILE_stages beside it")
    regions = command.add_argument_group("which operators (default: those that shrink the arena most)")
    regions.add_argument("--region", action="append", default=[], metavar="FIRST:LAST", help="these (LAST excluded); repeatable")
    regions.add_argument("--everything", action="store_true", help="all of them")


def _add_completion(commands: Any) -> None:
    summary = "print a script that completes commands, options and boards"
    epilog = 'example: eval "$(tflm-mcunet completion bash)"'
    command = commands.add_parser("completion", help=summary, description=summary, epilog=epilog)
    command.set_defaults(function=print_completion)
    command.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), help="for which shell")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of 0 or more")
    return int(text)


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


# ---- the commands ----


def _chosen(options: argparse.Namespace) -> Options:
    on = getattr(options, "on", None) or "host"
    return Options(
        target=options.target or ("generic" if on == "host" else on),
        name=options.name,
        sram=None if options.sram is None else parse_bytes(options.sram),
        minimize=options.minimize,
        schedule=options.schedule,
        patches=options.patches,
        patch_depth=options.patch_depth,
        macs_budget=options.macs_budget,
        input=options.input,
        io=options.io,
        dead_channels=not options.keep_dead_channels,
        export=options.export,
        extras=tuple(options.extras.split(",")) if options.extras else (),
    )


def _compiled(options: argparse.Namespace) -> Any:
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.compiler import build
    from tflm_mcunet.source import load

    chosen = _chosen(options)
    model, source = load(options.model)
    return Compiled(model, build(model, source, chosen, _trace(options)))


def _trace(options: argparse.Namespace) -> Callable[[str], None] | None:
    return (lambda text: print(text, file=sys.stderr)) if options.verbose else None


def _print_notes(notes: Iterable[str | None]) -> None:
    for note in filter(None, notes):
        print(f"note: {note}", file=sys.stderr)


def compile_model(options: argparse.Namespace) -> None:
    """`compile`: writes the folder and summarises it."""
    from tflm_mcunet.fit import misnamed, notes

    compiled = _compiled(options)
    program = compiled.program
    compiled.write(options.out)
    _print_notes([*notes(program.options), misnamed(program.options, program.prefix, options.out)])
    if options.json:
        _print_json(compiled.report)
    else:
        from tflm_mcunet.report.terminal import summary

        summary(compiled.report, f"wrote {options.out}: {', '.join(sorted(compiled.contents))}")


def verify_model(options: argparse.Namespace) -> int:
    """`verify`: status 1 where any byte differs."""
    from tflm_mcunet.verify import load_samples

    compiled = _compiled(options)
    inputs = load_samples(options.inputs, compiled.program) if options.inputs else None
    result = compiled.verify(on=options.on, samples=options.samples, inputs=inputs)
    if options.json:
        _print_json(result.as_dict())
    elif result.passed:
        print(f"bit-exact with TFLM on {result.on}: {result.samples} samples, {result.bytes} bytes, none differs")
    else:
        print(f"{result.differing} of {result.bytes} bytes differ from TFLM on {result.on}; first: {result.first}")
    return 0 if result.passed else 1


def bench_model(options: argparse.Namespace) -> None:
    """`bench`: what one inference takes on an emulated core."""
    from tflm_mcunet.report.measurement import as_dict, show

    compiled = _compiled(options)
    execution = compiled.bench(on=options.on, profile=options.profile)
    if options.json:
        _print_json(as_dict(compiled.report, execution, profile=options.profile))
    else:
        show(compiled.report, execution, profile=options.profile)


def analyze_model(options: argparse.Namespace) -> None:
    """`analyze`: the report alone, or the front of SRAM against work."""
    for name in ("limit", "array"):
        if getattr(options, name) is not None and not options.data:
            raise Error(f"--{name} needs --data, the samples that it is about")
    if options.pareto or options.plot:
        _check_front(options)
        _show_front(options)
        return
    if options.html or options.full or options.on or options.data:
        from tflm_mcunet.report.commands import analyze_in_full

        analyze_in_full(options, _chosen(options))
        return
    compiled = _compiled(options)
    if options.json:
        _print_json(compiled.report)
    else:
        from tflm_mcunet.report.terminal import analysis

        analysis(compiled.report)


def compare_models(options: argparse.Namespace) -> None:
    """`compare`: figures side by side."""
    from tflm_mcunet.report.commands import compare

    compare(options, _chosen(options))


def evaluate_model(options: argparse.Namespace) -> int:
    """`evaluate`: status 1 where any byte differs from TFLM."""
    from tflm_mcunet.report.commands import evaluate

    return evaluate(options, _chosen(options))


def _check_front(options: argparse.Namespace) -> None:
    """Raises Error for options of which the front knows nothing."""
    pages = {"html": None, "full": False, "on": None, "data": None}
    single = {"sram": None, "minimize": "latency", "schedule": "auto", "patches": None, "patch_depth": None, "macs_budget": 1.0}
    for name, default in (pages | single).items():
        if getattr(options, name) != default:
            why = "shows the front alone" if name in pages else "shows schedules from the smallest to the fastest"
            raise Error(f"--pareto {why}: leave out --{name.replace('_', '-')}")


def _show_front(options: argparse.Namespace) -> None:
    from tflm_mcunet.front import check_plot, front, plot
    from tflm_mcunet.source import load

    if options.plot:
        check_plot(options.plot)
    model, source = load(options.model)
    points = front(model, source, _chosen(options))
    if options.plot:
        plot(points, options.plot, source)
    if options.json:
        _print_json({"front": [point.as_dict() for point in points]})
    else:
        from tflm_mcunet.report.terminal import front_table

        front_table(point.as_dict() for point in points)


def rewrite_model(options: argparse.Namespace) -> None:
    """`rewrite`: writes the model and the folder with its stages, and summarises them."""
    from tflm_mcunet.fit import notes
    from tflm_mcunet.rewrite import rewrite
    from tflm_mcunet.source import load

    if not options.out.endswith(".tflite"):
        raise Error(f"--out {options.out}: the name of the rewritten model must end in .tflite")
    model, source = load(options.model)
    rewritten = rewrite(model, source, _chosen(options), options.region, options.everything, _trace(options))
    folder = rewritten.write(options.out)
    _print_notes(notes(rewritten.options))
    if options.json:
        _print_json(rewritten.report)
    else:
        from tflm_mcunet.report.terminal import rewriting

        rewriting(rewritten.report, f"wrote {options.out} and {folder}")


def show_targets(options: argparse.Namespace) -> None:
    """`targets`: boards and cores."""
    from tflm_mcunet import targets

    boards = [targets.load(name) for name in targets.names()]
    if options.json:
        _print_json({"targets": [targets.as_dict(board) for board in boards]})
    else:
        from tflm_mcunet.report.terminal import target_table

        target_table(boards)


def show_operators(options: argparse.Namespace) -> None:
    """`operators`: every operator with its constraints, from the functions that check them."""
    from tflm_mcunet.operators import OPERATORS
    from tflm_mcunet.operators.base import rules

    if options.json:
        _print_json({"operators": [{"kind": kind, "rules": rules(cls)} for kind, cls in OPERATORS.items()]})
    else:
        from tflm_mcunet.report.terminal import operator_table

        operator_table({kind: rules(cls) for kind, cls in OPERATORS.items()})


def run_doctor(options: argparse.Namespace) -> int:
    """`doctor`: status 1 where something failed."""
    from tflm_mcunet import doctor

    findings = doctor.examine()
    if options.json:
        _print_json(doctor.as_dict(findings))
    else:
        from tflm_mcunet.report.terminal import findings_table

        findings_table(findings)
    return 0 if doctor.healthy(findings) else 1


def print_completion(options: argparse.Namespace) -> None:
    """`completion`: the script for a shell."""
    from tflm_mcunet.completion import script

    print(script(make_parser()[0], options.shell))


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2))
