"""A job file is checked whole: each fault has its line and column, the value, the rule and the remedy."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args, get_origin

import pytest

from pretend_commands import PretendCommands
from trueground.cli.main import app
from trueground.errors import InputError
from trueground.jobs import JobError, read_job
from trueground.jobs.kinds import KINDS


def faults_of(path: Path) -> list[str]:
    with pytest.raises(JobError) as caught:
        read_job(path, commands=PretendCommands())
    return [str(f).removeprefix(f"{path}:") for f in caught.value.faults]


FAULTS = [
    ("workers = 1", "thread = 1", "3:1:", '"thread" is no key of [job]; did you mean threads?'),
    ("workers = 1", "workers = -1", "3:11:", "-1"),
    ("workers = 1", 'engine = "dusk"', "3:10:", "'dusk' is not known"),
    ('"results"', '"../results"', "2:10:", "must not leave the job file's folder; another place is given with -o"),
    ('"results"', '"a/../../b"', "2:10:", "must not leave"),
    ('"results"', '"/tmp/results"', "2:10:", "an absolute one is given with -o"),
    ('"results"', '"C:\\\\results"', "2:10:", "must be a path from the job file's folder"),
    ('"results"', "3", "2:10:", "must be a text"),
    ('output = "results"', "", "1:1:", "where do results go?"),
    ("[job]", "[jobs]", "1:1:", '"jobs" is no key of a job file; did you mean job?'),
    ("[defaults.align]", "[defaults.alin]", "5:1:", "did you mean align?"),
    ('transform = "shift.json"', 'tranform = "x"', "6:1:", "did you mean transform?"),
    ('transform = "shift.json"', 'output = "a.tif"\ntransform = "A.tif"', "7:13:", "is the same file as output"),
    ('transform = "shift.json"', 'slope-range = [1]', "6:15:", "a list of 2 numbers"),
    ('transform = "shift.json"', 'slope-range = ["--cog", 1]', "6:15:", "a list of 2 numbers"),
    ('transform = "shift.json"', 'method = "magic"', "6:10:", "'magic' is not known"),
    ('transform = "shift.json"', 'blocks = "wide"', "6:10:", "--blocks wide: must be a number of pixels"),
    ('transform = "shift.json"', "cog = 1979-05-27", "6:7:", "must be a text, a number, true or false"),
    ('transform = "shift.json"', 'mask = "no\\u0000ne.tif"', "6:8:", "cannot be printed"),
    ('"results"', '"re\\u0000sults"', "2:10:", "cannot be printed"),
    ('"results"', f'"{"x" * 300}"', "2:10:", "names of 120 characters at most"),
    ('"results"', f'"{"a/" * 3000}"', "2:10:", "1000 in all"),
    ('name = "north"', 'name = "nor\\u0000th"', "16:8:", "cannot be printed"),
    ('"ortho", "diff", "report"', '"ortho", "diff\\u0007"', "20:28:", "cannot be printed"),
    ('transform = "shift.json"', '"trans\\u0000form" = 1', "6:1:", "the key"),
    ('transform = "shift.json"', 'weights = ["moving.tif", "moving.tif"]', "6:11:", "takes one value"),
    ('"{align}"\nheights', '"{aligned}"\nheights', "9:7:", 'named "aligned"; there are: {align}'),
    ('"{align}"\nheights', '"{align"\nheights', "9:7:", "{step.option}"),
    ('"{align}"\nheights', '"{align.report-page}"\nheights', "9:7:", 'writes no "report-page"; give it'),
    ('"{align}"\nheights', '"{align}/a.tif"\nheights', "9:7:", "that is one file"),
    ('heights = "ellipsoid"', 'heights = "egm2020"', "10:11:", "egm2020"),
    ('heights = "ellipsoid"', 'resampling = "bilinaer"', "10:14:", 'Did you mean "bilinear"?'),
    ('heights = "ellipsoid"', "dry_run = true", "10:1:", "plans the whole job"),
    ('heights = "ellipsoid"', "align-pixels = true", "10:16:", "give them"),
    ('heights = "ellipsoid"', 'crs = "EPSG:999999"', "10:7:", "EPSG:999999"),
    ('heights = "ellipsoid"', "dem_scale = 1\ndem-scale = 2", "11:1:", "are the same: give one of both"),
    ('name = "north"', "", "15:1:", "a scene has a name"),
    ('name = "north"', 'name = "no/rth"', "16:8:", "must be a name without folders"),
    ('name = "north"', 'name = ".."', "16:8:", "begin with a letter"),
    ('name = "north"', 'name = "South"', "23:8:", "two scenes are named"),
    ('name = "north"', 'name = "Run.json"', "16:8:", "the job itself takes"),
    ('"reference.tif"', '"referense.tif"', "17:13:", '"referense.tif" does not exist; paths begin from'),
    ('"reference.tif"', '""', "17:13:", "must be a text, the name of a file"),
    ('moving = "moving.tif"', "", "20:10:", "align needs moving: give the scene moving = ..."),
    ('image = "image.tif"', 'gcps = "image.tif"\nimage = "image.tif"', "19:1:", "no step of this scene takes gcps"),
    ('image = "image.tif"', 'image = "image.tif"\nimages = "image.tif"', "19:1:", "image and images are the same"),
    ('image = "image.tif"', 'imige = "image.tif"', "19:1:", "did you mean image"),
    ('"ortho", "diff", "report"', '"ortho", "dif", "report"', "20:28:", "did you mean diff?"),
    ('"ortho", "diff", "report"', '"diff", "diff"', "20:27:", "as in \"before:diff\""),
    ('"ortho", "diff", "report"', '"../x:diff"', "20:19:", "its name must be a name without folders"),
    ('"ortho", "diff", "report"', '"name:diff"', "20:19:", "means something else"),
    ('["align", "diff"]', '"align"', "26:9:", "a scene has steps"),
    ('["align", "diff"]', '["diff", "align"]', "13:5:", "no earlier step of this scene"),
    ("align.resampling", "ortho.resampling", "27:1:", "no step of this scene is ortho"),
    ("align.resampling", "align", "27:9:", "must be a table of parameters"),
    ('align.resampling = "cubic"', 'align.output = "../a.tif"', "27:16:", "must be a name without folders"),
    ('align.resampling = "cubic"', 'align.output = "/tmp/a.tif"', "27:16:", "must be a name without folders"),
    ('align.resampling = "cubic"', 'align.output = ".a.tif"', "27:16:", "begin with a letter"),
    ('align.resampling = "cubic"', 'align.report = "step.json"', "27:16:", "the job itself takes"),
    ('align.resampling = "cubic"', 'diff.output = "x.png"', "27:15:", "ends in .tif"),
    ('align.resampling = "cubic"', "align.tile = 3", "27:7:", 'no parameter "tile"'),
    ('[[scene]]\nname = "south"', '[[scene]\nname = "south"', "22:8:", "Expected ']]'"),
    ('steps = ["align", "diff"]', 'steps = ["align", "diff"', "27:1:", "Unclosed array"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "says"), FAULTS)
def test_one_fault(edit, old, new, place, says):
    found = faults_of(edit((old, new)))
    assert any(f.startswith(f"{place} ") and says in f for f in found), found


def test_a_report_that_no_step_can_make(edit):
    path = edit(
        ('["align", "ortho", "diff", "report"]', '["ortho", "report"]'), ('dem = "{align}"', 'dem = "moving.tif"'),
        ('reference = "reference.tif"\nmoving = "moving.tif"\nimage = "image.tif"',
         'images = ["image.tif", "other.tif"]'),
    )  # fmt: skip
    found = faults_of(path)
    assert any("18:19: no step of this scene has a page" in f for f in found), found


def test_all_faults_at_once_in_the_order_of_their_lines(edit):
    path = edit(
        ("workers", "wrokers"), ('"shift.json"', '"../x"'), ('"ellipsoid"', '"moon"'),
        ('"north"', '"a/b"'), ('"moving.tif"', '"none.tif"'), ('"cubic"', '"cube"'),
    )  # fmt: skip
    places = [tuple(map(int, f.split(":")[:2])) for f in faults_of(path)]
    assert places == [(3, 1), (6, 13), (10, 11), (16, 8), (18, 10), (27, 20)]


def test_no_fault_is_said_of_what_another_has_taken_away(edit):
    """A missing file is one fault: the command is not asked about what is left."""
    assert len(faults_of(edit(('"moving.tif"', '"none.tif"')))) == 1
    assert len(faults_of(edit(('"reference.tif"', '"none.tif"')))) == 1


def test_what_is_nearest_to_a_step_counts(edit):
    path = edit(
        ("[defaults.align]", '[defaults.scene]\nreference = "image.tif"\nmoving = "other.tif"\n[defaults.align]'),
        ('transform = "shift.json"', 'grid = "reference"'),
        ('steps = ["align", "diff"]', 'steps = ["align", "diff"]\nalign.grid = "moving"'),
        ('reference = "reference.tif"\nmoving = "other.tif"\nsteps', 'steps'),
    )  # fmt: skip
    job = read_job(path, commands=PretendCommands())
    north, south = (scene.steps[0].values for scene in job.scenes)
    assert (Path(north["reference"]).name, Path(north["moving"]).name) == (
        "reference.tif",
        "moving.tif",
    )
    assert (Path(south["reference"]).name, Path(south["moving"]).name) == ("image.tif", "other.tif")
    assert (north["grid"], south["grid"]) == ("reference", "moving")
    assert north["workers"] == 1
    assert job.scenes[1].steps[1].values["b"] == str(job.folder / "south" / "align" / "aligned.tif")


def test_outputs_of_earlier_steps_by_name(edit):
    path = edit(
        ('["align", "ortho", "diff", "report"]', '["align", "again:apply", "ortho", "all:ortho", "late:diff"]\n'
         'again.transform = "{align.transform}"\northo.tiles = 512\nall.images = ["image.tif", "other.tif"]\n'
         'late.a = "{ortho}"\nlate.b = "{all}/other.tif"'),
    )  # fmt: skip
    steps = {s.name: s for s in read_job(path, commands=PretendCommands()).scenes[0].steps}
    folder = path.parent / "results" / "north"
    assert steps["again"].values["transform"] == str(folder / "align" / "shift.json")
    assert steps["late"].values["a"] == str(folder / "ortho" / "ortho" / "ortho.vrt")
    assert steps["late"].values["b"] == str(folder / "all" / "ortho" / "other.tif")
    assert set(steps["late"].needs) == {"ortho", "all"}
    several = edit(
        ('"{align}"\n\n[[scene]]', '"{ortho}"\n\n[[scene]]'),
        ('image = "image.tif"', 'images = ["image.tif", "other.tif"]'),
    )
    assert any("{ortho}/NAME.tif" in f for f in faults_of(several))


def test_an_input_in_the_folder_of_a_step_is_refused(edit):
    path = edit(('moving = "moving.tif"', 'moving = "results/south/align/x.tif"'))
    place = path.parent / "results" / "south" / "align"
    place.mkdir(parents=True)
    (place / "x.tif").write_bytes(b"mine")
    assert any(
        f.startswith("18:10: ") and "lies in the folder of a step" in f for f in faults_of(path)
    )


def test_a_link_that_leads_out_is_refused(edit, tmp_path_factory):
    path = edit()
    (path.parent / "results").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    assert any(f.startswith("2:10: ") and "through a link" in f for f in faults_of(path))


def test_what_is_no_text_or_no_job(edit, tmp_path):
    path = edit()
    path.write_bytes(b'[job]\nname = "M\xfcller"\n')
    assert faults_of(path) == ["2:10: byte 0xfc is no UTF-8; save the file as UTF-8"]
    path.write_text("x = " + "[" * 5000 + "]" * 5000)
    assert "nested too deeply" in faults_of(path)[0]
    path.write_text("x = 1" + "0" * 5000)
    assert "correct the TOML" in faults_of(path)[0]
    path.write_text("")
    assert any("a job has scenes" in f for f in faults_of(path))
    path.write_text("job = 3\nscene = 4\ndefaults = 5\n")
    assert len(faults_of(path)) >= 3
    with path.open("wb") as file:
        file.truncate(20 << 20)
    with pytest.raises(InputError, match="more than 16 MB"):
        read_job(path, commands=PretendCommands())


@pytest.mark.parametrize("command", KINDS)
def test_a_job_knows_which_parameters_are_files(command):
    """A new parameter that is a path must be said to be read or written; a text is looked at by its help."""
    kind = KINDS[command]
    arguments = {
        a.names[0].removeprefix("--").lower(): a
        for a in app[command].assemble_argument_collection()
        if a.parse and a.names[0] != "*"
    }
    assert kind.inputs | kind.outputs <= arguments.keys()
    assert set(kind.scene) <= kind.inputs
    assert set(kind.withheld) <= arguments.keys()
    known = kind.inputs | kind.outputs
    for name, argument in arguments.items():
        kinds = (
            get_args(argument.hint) if get_origin(argument.hint) is not None else (argument.hint,)
        )
        if any(inspect.isclass(k) and issubclass(k, Path) for k in kinds):
            assert name in known, name
    texts = {n for n, a in arguments.items() if a.hint is str or str in get_args(a.hint)}
    no_files = {
        "method", "blocks", "crs", "engine", "patch-sizes", "name", "kind", "estimator",
        *(n for n in arguments if n.startswith("points-") or n.endswith(("heights", "-crs"))),
    }  # fmt: skip
    assert texts - no_files <= known
