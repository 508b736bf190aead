"""One run, from its settings and images to a folder marked done. Paper §4.3."""

from ifgan.config import Config
from ifgan.data.averages import write_averages
from ifgan.training.fit import Say, Watch, fit
from ifgan.training.run_data import RunData
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import check_generator_has_loss, check_phases
from ifgan.training.starting_weights import check_head, check_taken_over


def train_run(
    config: Config,
    data: RunData,
    run: RunFolder,
    command: list[str],
    *,
    resume: bool = False,
    say: Say | None = None,
    watch: Watch | None = None,
) -> None:
    """Train into ``run``, or the rest of it; nothing is done to a finished one. Raises InputError for
    settings that teach G nothing, weights that know held-out people, a folder of another run, and like `fit`.
    """
    check_phases(config)
    check_generator_has_loss(config)
    check_taken_over(config, data.record)
    check_head(config, data.labels)
    run.start(config, data.record, command, resume=resume)
    if not run.done:
        write_averages(run.path / "average_faces", data.averages)
        fit(config, run, data.pairs("train", config), data.pairs("validation", config), say=say, watch=watch)
