"""The engine of a cluster: the same results, bounded, through workers that die and blocks that fail."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from cluster_jobs import make_files, orthoimage, run_jobs, scheduler_and_workers
from trueground import Dask
from trueground.cluster import check_engine, engine_named
from trueground.cluster.connection import address_of
from trueground.cluster.shipped import Shipped, packed
from trueground.dem import Dem
from trueground.engine import Serial, Threads
from trueground.errors import BlockError, FitError, InputError
from trueground.findings import Findings, collected, enter
from trueground.grid import Window
from trueground.kept import Kept, content_key
from trueground.raster import ArrayRaster, open_raster
from trueground.remembered import Remembered
from trueground.writer import write

pytest.importorskip("distributed")
ARRAYS = ("ortho", "lines", "shift", "aligned", "blocks", "warped")
EXACT = ("hidden", "counts", "statistics", "stable", "variogram")


def _windows(number, side=1):
    return [Window(k, 0, side, side) for k in range(number)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def engine():
    with Dask(workers=2) as made:
        yield made


@pytest.fixture
def mortal():
    """An engine of two processes that die."""
    with Dask(workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def by_threads(folder, tmp_path_factory):
    return run_jobs(folder, Threads(2), tmp_path_factory.mktemp("threads"))


def _pids(engine):
    return set(engine.client.run(os.getpid).values())


def _same(found, expected):
    for name in ARRAYS:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    for name in EXACT:
        assert found[name] == expected[name], name


@pytest.mark.slow
def test_all_jobs_find_the_same_in_series(folder, by_threads, tmp_path):
    assert by_threads["hidden"] > 0.001
    assert np.isfinite(by_threads["warped"]).mean() > 0.8
    _same(run_jobs(folder, Serial(), tmp_path), by_threads)


@pytest.mark.slow
def test_all_jobs_find_the_same_in_processes(folder, by_threads, engine, tmp_path):
    _same(run_jobs(folder, engine, tmp_path), by_threads)


@pytest.mark.slow
def test_all_jobs_find_the_same_on_a_cluster_of_other_processes(folder, by_threads, tmp_path):
    with (
        scheduler_and_workers(tmp_path, workers=2) as (address, _),
        Dask(address.replace("tcp", "dask")) as made,
    ):
        made.client.wait_for_workers(2, timeout=30)
        assert made.workers == 2
        assert os.getpid() not in _pids(made)
        _same(run_jobs(folder, made, tmp_path), by_threads)


def test_results_come_in_order_once_and_from_all_workers(engine):
    def slowly(window):
        time.sleep(0.06 * (1 + window.row % 3))
        return window.row, os.getpid()

    found = list(engine.map(slowly, _windows(16)))
    assert [window.row for window, _ in found] == list(range(16))
    assert [row for _, (row, _) in found] == list(range(16))
    assert {pid for _, (_, pid) in found} == _pids(engine)
    assert list(engine.map(slowly, [])) == []


def test_blocks_under_way_are_bounded(engine, tmp_path):
    drawn = []

    def windows():
        for window in _windows(12):
            drawn.append(window)
            yield window

    def begun(window):
        (tmp_path / f"{window.row}").touch()
        time.sleep(0.06)

    for taken, _ in enumerate(engine.map(begun, windows())):
        time.sleep(0.1)  # a slow consumer: workers must wait for it
        assert len(drawn) - taken <= 2 * 2 + 1
        assert len(list(tmp_path.iterdir())) - taken <= 2 * 2 + 1
    assert len(list(tmp_path.iterdir())) == 12


def test_quick_blocks_travel_together_and_slow_ones_alone(engine, monkeypatch):
    from trueground.cluster import run

    sent = []
    made = run.Run._made

    def recorded(self, number, windows):
        sent.append(len(windows))
        return made(self, number, windows)

    monkeypatch.setattr(run.Run, "_made", recorded)
    found = [row for _, row in engine.map(lambda w: w.row, _windows(500))]
    assert found == list(range(500))
    assert sent[:4] == [1] * 4
    assert max(sent) == 64
    assert sum(sent) == 500
    sent.clear()
    list(engine.map(lambda _: time.sleep(0.06), _windows(8)))
    assert sent == [1] * 8


def test_of_blocks_that_travel_together_one_that_fails_is_named(engine, tmp_path):
    def fails(window):
        if window.row == 450:
            (tmp_path / str(time.perf_counter_ns())).touch()
            raise ZeroDivisionError("oh")
        return window.row

    done = []
    with pytest.raises(BlockError, match=r"row 450, column 0 .* ZeroDivisionError: oh .*3 times"):
        done.extend(row for _, row in engine.map(fails, _windows(500)))
    assert done == list(range(450))
    assert 3 <= len(list(tmp_path.iterdir())) <= 4  # once with others before it

    def refuses(window):
        if window.row == 450:
            raise FitError("all is flat")
        return window.row

    done.clear()
    with pytest.raises(FitError, match="row 450"):
        done.extend(row for _, row in engine.map(refuses, _windows(500)))
    assert done == list(range(450))


@pytest.mark.slow
def test_of_blocks_that_travel_together_one_that_ends_its_worker_is_named(mortal):
    def deadly(window):
        if window.row == 450:
            os._exit(1)
        return window.row

    done = []
    with pytest.raises(BlockError, match=r"row 450, column 0 .* 3 workers died"):
        done.extend(row for _, row in mortal.map(deadly, _windows(500)))
    assert done == list(range(450))
    assert mortal.client.status == "running"


def test_large_results_are_bounded_by_the_memory_of_workers(engine, monkeypatch):
    from trueground.cluster import run

    monkeypatch.setattr(run, "_SHARE", 1e-9)
    ahead = []
    drawn = []

    def windows():
        for window in _windows(20):
            drawn.append(window)
            yield window

    def large(window):
        time.sleep(0.06)
        return np.zeros(1_000_000, dtype=np.uint8)

    for taken, _ in enumerate(engine.map(large, windows())):
        ahead.append(len(drawn) - taken)
    assert max(ahead[5:]) <= 2 + 1  # one for each worker, and the one that we hold


def test_a_function_is_unpacked_once_in_each_worker(engine):
    class Counted:
        def __setstate__(self, state):
            self.made = time.perf_counter_ns(), os.getpid()

        def __getstate__(self):
            return {"some": "state"}

        def __call__(self, window):
            time.sleep(0.06)
            return self.made

    found = {made for _, made in engine.map(Counted(), _windows(12))}
    assert len(found) == 2
    assert {pid for _, pid in found} == _pids(engine)


def test_arrays_in_memory_are_sent_once_and_can_be_written(engine):
    array = np.arange(4_000_000, dtype=np.float32).reshape(2000, 2000)

    def block(window):
        assert array.flags.writeable
        return float(array[window.row].sum())

    found = [total for _, total in engine.map(block, _windows(6))]
    assert found == [float(array[k].sum()) for k in range(6)]
    sent = packed(block)
    assert len(sent.text) < 10_000
    assert sum(a.nbytes for a in sent.arrays) == array.nbytes
    assert np.shares_memory(sent.arrays[0], array)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(folder, by_threads, mortal, tmp_path):
    before = _pids(mortal)
    ortho = orthoimage(folder)
    victims = sorted(before)

    def progress(done, total):
        if done == 5:
            os.kill(victims[0], signal.SIGKILL)
        if done == total // 2:
            os.kill(victims[1], signal.SIGKILL)

    write(ortho, tmp_path / "ortho.tif", engine=mortal, block_size=32, progress=progress)
    found = open_raster(tmp_path / "ortho.tif").read(ortho.grid.window)
    np.testing.assert_array_equal(found, by_threads["ortho"])
    assert ortho.hidden_share() == by_threads["hidden"]
    mortal.client.wait_for_workers(2, timeout=30)
    assert not before & _pids(mortal)


@pytest.mark.slow
def test_arrays_that_died_with_all_workers_are_sent_again(mortal):
    array = np.ones((1000, 1000))
    pids = _pids(mortal)

    def block(window):
        time.sleep(0.05)
        return float(array[window.row].sum())

    found = []
    for number, (_, total) in enumerate(mortal.map(block, _windows(30))):
        found.append(total)
        if number == 5:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
    assert found == [1000.0] * 30


@pytest.mark.slow
def test_a_block_that_ends_its_workers_stops_the_run(mortal):
    def deadly(window):
        if window.row == 3:
            os._exit(1)
        return window.row

    done = []
    with pytest.raises(BlockError, match=r"row 3, column 0 .* 3 workers died .* memory"):
        done.extend(row for _, row in mortal.map(deadly, _windows(10)))
    assert done == [0, 1, 2]
    assert mortal.client.status == "running"


def test_a_block_that_fails_is_tried_three_times_and_named(engine, tmp_path):
    def fails(window):
        time.sleep(0.06)  # long enough to travel alone
        if window.row == 7:
            (tmp_path / str(time.perf_counter_ns())).touch()
            raise ZeroDivisionError("oh")
        return window.row

    done = []
    with pytest.raises(
        BlockError, match=r"row 7, column 0 \(1 x 1 px\) failed: ZeroDivisionError: oh .*3 times"
    ):
        done.extend(row for _, row in engine.map(fails, _windows(100)))
    assert done == list(range(7))
    assert len(list(tmp_path.iterdir())) == 3


def test_an_accident_is_tried_again(engine, tmp_path):
    def fails_once(window):
        place = tmp_path / str(window.row)
        if not place.exists():
            place.touch()
            raise OSError("the network is gone for a moment")
        return window.row

    assert [row for _, row in engine.map(fails_once, _windows(4))] == [0, 1, 2, 3]


def test_errors_of_ours_keep_their_class_and_are_not_tried_again(engine, tmp_path):
    def fails(window):
        (tmp_path / str(time.perf_counter_ns())).touch()
        raise FitError("all is flat")

    with pytest.raises(FitError, match=r"^all is flat; in the block at row 0, column 0 "):
        list(engine.map(fails, _windows(1)))
    assert len(list(tmp_path.iterdir())) == 1

    def lacks(_):
        np.empty((1 << 60,), dtype=np.uint8)

    with pytest.raises(MemoryError, match="block at row 0, column 0"):
        list(engine.map(lacks, _windows(1)))


def test_a_run_that_is_left_early_is_forgotten(engine, tmp_path):
    def slowly(window):
        (tmp_path / str(window.row)).touch()
        time.sleep(0.05)

    results = engine.map(slowly, _windows(1000))
    next(results)
    results.close()
    time.sleep(0.3)
    begun = len(list(tmp_path.iterdir()))
    assert begun <= 6
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == begun


def test_a_worker_has_kernels_of_its_own(engine):
    def folder_of_kernels():
        from trueground import kernels

        return str(kernels.CACHE_FOLDER)

    found = engine.client.run(folder_of_kernels)
    assert len(set(found.values())) == 2
    from trueground.kernels import CACHE_FOLDER

    assert all(f.startswith(str(CACHE_FOLDER / "workers")) for f in found.values())


def test_within_a_block_an_engine_is_no_cluster(engine):
    def inner(_):
        return type(engine).__name__

    assert [name for _, name in engine.map(inner, _windows(1))] == ["Serial"]


def test_a_client_that_was_given_stays_open(engine):
    with Dask(engine.client) as other:
        assert [r for _, r in other.map(lambda w: w.row, _windows(3))] == [0, 1, 2]
    with Dask(engine.client.cluster) as another:
        assert another.workers == 2
    assert engine.client.status == engine.client.cluster.status.name == "running"
    with pytest.raises(ValueError, match="closed"):
        next(iter(other.map(lambda w: w.row, _windows(1))))


def test_what_is_sent_of_a_job_is_small(folder, engine):
    ortho = orthoimage(folder)
    read = packed(ortho.read)
    assert read.nbytes < 10_000
    ortho.read(Window(0, 0, 300, 300))  # what it remembers does not travel
    assert packed(ortho.read).nbytes < 10_000
    assert not read.arrays
    assert len(pickle.dumps(Window(0, 0, 300, 300))) < 100
    raster = open_raster(folder / "moving.tif")
    held = Remembered(source=raster, margin=4, limit=1 << 20)
    held.read(Window(0, 0, 200, 200))
    assert packed(held.read).nbytes < 2_000


def test_copies_of_a_dem_share_what_is_known_of_it(folder, tmp_path):
    def copy(dem):
        return pickle.loads(pickle.dumps(dem))

    dem = Dem.open(folder / "dem.tif", heights="egm96")
    one, two = copy(dem), copy(dem)
    assert one == dem
    assert one.height_range() == dem.height_range() == two.height_range()
    assert one._ranges is two._ranges
    assert one.raster._local is two.raster._local
    assert copy(Dem.open(folder / "dem.tif", heights="ellipsoid"))._ranges is not one._ranges
    array = ArrayRaster(
        array=np.zeros((300, 300), dtype=np.float32),
        grid=dem.raster.grid.crop(Window(0, 0, 300, 300)),
    )
    flat = Dem.open(array, heights="ellipsoid")
    assert copy(flat)._ranges is not copy(flat)._ranges
    changed = tmp_path / "dem.tif"
    write(open_raster(folder / "dem.tif"), changed)
    before = copy(open_raster(changed))
    os.utime(changed, ns=(0, 0))
    assert copy(open_raster(changed))._local is not before._local


def test_a_path_is_that_of_the_folder_that_it_was_opened_in(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    sent = pickle.dumps(open_raster("dem.tif"))
    monkeypatch.chdir(tmp_path)
    assert np.isfinite(pickle.loads(sent).read(Window(0, 0, 5, 5))).all()


def test_few_things_are_kept():
    kept = Kept(3)
    assert [kept.get(k, lambda k=k: k * 10) for k in (1, 2, 3, 1, 4, 2)] == [10, 20, 30, 10, 40, 20]
    assert len(kept) == 3
    made = []
    kept.get(1, lambda: made.append(1))
    assert not made
    kept.get(3, lambda: made.append(3))
    assert made == [3]
    assert content_key(1, "a") == content_key(1, "a") != content_key(1, "b")
    assert content_key(np.zeros(3)) is None


def test_findings_come_home():
    home = Findings()
    home["here"] = 1
    copy = pickle.loads(pickle.dumps(home))
    assert copy == {}
    with collected() as found:
        copy["there"] = 2
    copy["unseen"] = 3
    enter(found)
    assert home == {"here": 1, "there": 2}
    del home
    gc.collect()
    enter(found)  # nobody asks for them any more


def test_a_function_travels_on_from_worker_to_worker():
    array = np.arange(100_000)
    sent = packed(lambda window: int(array[window.row]))
    shipped = Shipped(sent.text, *sent.arrays)
    again = pickle.loads(pickle.dumps(shipped))
    assert again(Window(7, 0, 1, 1)) == shipped(Window(7, 0, 1, 1)) == 7
    assert sys.getsizeof(shipped) > array.nbytes


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("dask://10.0.0.5:8786", "tcp://10.0.0.5:8786"),
        ("dask://[::1]:1", "tcp://[::1]:1"),
        ("tls://head.node:8786/", "tls://head.node:8786"),
    ],
)
def test_addresses(text, address):
    assert address_of(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "dask://",
        "dask://host",
        "dask://host:0",
        "dask://host:99999",
        "http://host:80",
        "dask://a b:1",
    ],
)
def test_wrong_addresses(text):
    with pytest.raises(
        InputError, match=r"is no address of a Dask scheduler: give dask://HOST:PORT"
    ):
        check_engine(text)


def test_engines_by_name():
    assert engine_named("threads", 3) == Threads(3)
    assert engine_named("serial") == Serial()
    with pytest.raises(InputError, match=r"'spark' is not known: give threads, serial"):
        check_engine("spark")
    with pytest.raises(InputError, match="-1 threads"):
        check_engine("dask", -1)
    for name in ("serial", "dask://host:1"):
        with pytest.raises(InputError, match="leave their number out"):
            check_engine(name, 2)
    with pytest.raises(InputError, match="int is no way to a Dask cluster"):
        Dask(3)


def test_a_scheduler_that_is_not_there():
    start = time.monotonic()
    with pytest.raises(
        InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .*'dask scheduler'"
    ):
        Dask("dask://127.0.0.1:9", wait=1.0)
    assert time.monotonic() - start < 5.0


@pytest.mark.slow
def test_a_scheduler_without_workers(tmp_path):
    said = "has had no worker for 1 s: start some with 'dask worker"
    with (
        scheduler_and_workers(tmp_path, workers=0) as (address, _),
        pytest.raises(InputError, match=said),
    ):
        Dask(address, wait=1.0)


@pytest.mark.slow
def test_a_scheduler_that_goes_stops_the_run(tmp_path):
    def slowly(window):
        time.sleep(0.1)

    with (
        scheduler_and_workers(tmp_path, workers=1) as (address, processes),
        Dask(address, wait=30.0) as made,
    ):
        results = made.map(slowly, _windows(100))
        next(results)
        processes[0].kill()
        start = time.monotonic()
        with pytest.raises(BlockError, match=r"the Dask scheduler at .* has gone"):
            list(results)
        assert time.monotonic() - start < 5.0


def test_workers_of_another_version_are_refused(engine, monkeypatch):
    from trueground.cluster import connection
    from trueground.cluster.worker import About

    monkeypatch.setattr(connection, "this", lambda: About("9.9.9", "3.11"))
    with pytest.raises(
        InputError, match=r"worker tcp://.* has trueground 0\.1\.0, and this process 9\.9\.9"
    ):
        Dask(engine.client)


def test_a_worker_of_another_version_that_joins_later_is_refused(engine):
    def is_of(version):
        from trueground.cluster import worker

        before, worker.__version__ = worker.__version__, version
        return before

    (before,) = set(engine.client.run(is_of, "9.9.9").values())
    try:
        with pytest.raises(InputError, match=r"has trueground 9\.9\.9, and this process 0\."):
            list(engine.map(lambda w: w.row, _windows(3)))
    finally:
        engine.client.run(is_of, before)
    assert len(list(engine.map(lambda w: w.row, _windows(3)))) == 3


def test_a_worker_that_does_not_understand_what_it_is_sent(engine, monkeypatch):
    monkeypatch.setattr("trueground.cluster.run.compute", lambda *_: {}["compute"])
    with pytest.raises(BlockError, match=r"row 0, column 0 .* failed: KeyError: 'compute'"):
        list(engine.map(lambda w: w.row, _windows(3)))


@pytest.mark.slow
def test_a_deadly_block_on_a_cluster_of_others_ends_few_workers(tmp_path):
    """That cluster gives a block to four workers; then it is tried alone, by one."""
    (tmp_path / "deaths").mkdir()

    def deadly(window):
        time.sleep(0.02)
        if window.row == 30:
            (tmp_path / "deaths" / str(os.getpid())).touch()
            os._exit(1)
        return window.row

    with (
        scheduler_and_workers(tmp_path, workers=7) as (address, _),
        Dask(address.replace("tcp", "dask")) as made,
    ):
        made.client.wait_for_workers(7, timeout=60)
        done = []
        with pytest.raises(BlockError, match=r"row 30, column 0 .* workers died"):
            done.extend(row for _, row in made.map(deadly, _windows(100)))
        assert done == list(range(30))
        assert len(list((tmp_path / "deaths").iterdir())) <= 5
        assert [row for _, row in made.map(lambda w: w.row, _windows(9))] == list(range(9))


def test_without_the_package_distributed_it_says_what_to_install():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "import trueground\n"
        "try: trueground.Dask()\n"
        "except trueground.TruegroundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'trueground[distributed]'" in done.stdout


def test_importing_trueground_does_not_import_distributed():
    code = "import trueground, trueground.cluster, sys; print('distributed' in sys.modules, 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.slow
def test_a_start_that_is_broken_off_does_not_warn_later(monkeypatch):
    """Its cluster is let go, since nothing ends it in time; whenever that is collected, nobody hears of it."""

    def interrupt(cluster, **_):
        clusters.append(cluster)
        raise KeyboardInterrupt

    clusters = []
    monkeypatch.setattr("distributed.Client", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Dask(workers=1)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        clusters[0].__del__()
    assert not heard


@pytest.mark.slow
def test_processes_end_with_the_engine_and_no_thread_stays():
    before = threading.active_count()
    made = Dask(workers=1)
    (pid,) = _pids(made)
    assert [r for _, r in made.map(lambda w: w.row, _windows(2))] == [0, 1]
    made.close()
    for _ in range(50):
        if not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker lives on")
    assert threading.active_count() <= before + 2
