"""`tierfleet engine`: the simulated engine as a process. Options in, sentences out."""

import dataclasses
from typing import Annotated, Any

import typer

from tierfleet.cli import sentences
from tierfleet.cli.listening import Listener, ListenError, address, check, reason
from tierfleet.engine.config import EngineConfig, SchedulingPolicy
from tierfleet.engine.presets import PRESETS, Preset

_OPTIONS = {
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "max_model_len": "--max-model-len",
    "num_blocks": "--num-gpu-blocks-override",
}
"""What the sizes of the configuration are called here."""


def _preset(name: str) -> str:
    if name not in PRESETS:
        raise typer.BadParameter(f"There is no preset {name!r}. Give one of {', '.join(PRESETS)}.")
    return name


def _speed(speed: float) -> float:
    if not 0 < speed <= 1_000_000:
        raise typer.BadParameter(f"{speed:g} is not a pace. Give 1 for real time, 2 for twice it.")
    return speed


def engine(
    preset: Annotated[
        str,
        typer.Option(
            callback=_preset, help=f"Accelerator and model to behave like: {', '.join(PRESETS)}."
        ),
    ] = "h100",
    host: Annotated[
        str, typer.Option(callback=address, help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    aliases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="More names to serve it under, as vLLM takes them after --served-model-name.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name to serve the model under. Default: the preset's.")
    ] = None,
    served_model_name: Annotated[
        str | None, typer.Option(help="The same; it wins over --model, as it does in vLLM.")
    ] = None,
    tensor_parallel_size: Annotated[
        int,
        typer.Option(min=1, help="Taken as by vLLM, but unused: a preset is a whole replica."),
    ] = 1,
    max_num_seqs: Annotated[
        int | None, typer.Option(help="Seats: sequences that run at once. Default: the preset's.")
    ] = None,
    max_num_batched_tokens: Annotated[
        int | None, typer.Option(help="Tokens per step. Default: the preset's.")
    ] = None,
    max_model_len: Annotated[
        int | None, typer.Option(help="Longest context in tokens. Default: the preset's.")
    ] = None,
    num_gpu_blocks_override: Annotated[
        int | None, typer.Option(help="KV cache in blocks of 16 tokens. Default: the preset's.")
    ] = None,
    scheduling_policy: Annotated[
        SchedulingPolicy, typer.Option(help="Order of the waiting queue.")
    ] = SchedulingPolicy.FCFS,
    enable_prefix_caching: Annotated[
        bool, typer.Option(help="Take prompts seen before as cached.")
    ] = True,
    speed: Annotated[
        float,
        typer.Option(callback=_speed, help="How many times faster than in reality time passes."),
    ] = 1.0,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults", help="Let requests ask for faults by an x-engine-fault header, for tests."
        ),
    ] = False,
    shutdown_timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds for running requests to finish after SIGTERM."),
    ] = 10.0,
) -> None:
    """Serve a simulated engine: vLLM's scheduling, HTTP interface and metrics, without a GPU.

    It batches, queues and preempts as vLLM does and takes as long as the preset says, but its
    answers are meaningless words. One line tells when and where it serves; SIGTERM ends it.
    """
    chosen = PRESETS[preset]
    config = _config(
        chosen,
        scheduling_policy,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        max_model_len=max_model_len,
        num_blocks=num_gpu_blocks_override,
    )
    try:
        # Not at the top: `tierfleet --help` must work where the extra is not installed.
        import uvloop  # noqa: PLC0415

        from tierfleet.engine.server import ServerConfig, serve  # noqa: PLC0415
    except ImportError as error:
        raise sentences.not_installed(error, "simulator") from None
    del tensor_parallel_size
    if aliases and served_model_name is None:
        raise typer.BadParameter(
            f"{' '.join(aliases)} is no option. Names without one stand after --served-model-name."
        )
    served = served_model_name or model or chosen.model

    def announce(host: str, port: int) -> None:
        where = Listener(host, port)
        print(f"tierfleet engine: {served} ({preset}) serves on http://{where}", flush=True)

    try:
        check(Listener(host, port))
        uvloop.run(
            serve(
                ServerConfig(
                    config,
                    served,
                    tuple(aliases or ()),
                    host,
                    port,
                    speed,
                    prefix_caching=enable_prefix_caching,
                    shutdown_timeout=shutdown_timeout,
                    faults=faults,
                ),
                announce,
            )
        )
    except ListenError as error:
        raise sentences.mistake(str(error)) from None
    except OSError as error:  # somebody was faster
        raise sentences.failure(f"Cannot listen: {reason(error)}.") from None


def _config(preset: Preset, policy: SchedulingPolicy, **sizes: int | None) -> EngineConfig:
    """The preset's sizes, except where an option gives another."""
    given: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
    try:
        return dataclasses.replace(preset.config, scheduling_policy=policy, **given)
    except ValueError as error:
        said = str(error)
        for name, option in _OPTIONS.items():
            said = said.replace(name, option)
        raise typer.BadParameter(said) from None
