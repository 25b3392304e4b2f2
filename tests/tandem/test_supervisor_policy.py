"""What the supervisor decides: order, readiness, back-off, stopping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.supervisor.policy import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE_READY,
    MISCONFIGURED_SECONDS,
    STEADY_SECONDS,
    Action,
    Kill,
    Start,
    State,
    Stop,
    Supervision,
    pause,
)
from tandem.supervisor.spec import EXIT_CONFIGURATION, ChildSpec, Ready, Restart, decode, encode

pytestmark = pytest.mark.unit

CARRIER = ChildSpec("carrier", ("x",), stop_order=2)
GATEWAY = ChildSpec("gateway", ("x",), stop_order=1, stop_seconds=20.0)
WELCOME = ChildSpec("welcome", ("x",), Restart.NEVER, Ready.STARTED, ("carrier", "gateway"))
NODE = (CARRIER, GATEWAY, WELCOME)


def running(*specs: ChildSpec) -> Supervision:
    supervision = Supervision(specs)
    supervision.tick(0.0)
    for spec in specs:
        supervision.reported_ready(spec.name, 0.0)
    return supervision


def test_what_waits_for_nobody_starts_at_once_and_together() -> None:
    assert Supervision(NODE).tick(0.0) == [Start("carrier"), Start("gateway")]


def test_a_child_waits_until_all_it_is_after_are_ready() -> None:
    supervision = Supervision(NODE)
    supervision.tick(0.0)
    assert supervision.reported_ready("gateway", 0.5) == []
    assert not supervision.ready
    assert supervision.reported_ready("carrier", 0.6) == [Start("welcome")]
    assert supervision.ready


def test_a_one_shot_that_ended_is_not_started_again() -> None:
    supervision = running(*NODE)
    assert supervision.exited("welcome", 0, 1.0) == []
    assert supervision.tick(100.0) == []
    assert supervision.ready


def test_a_child_that_dies_for_the_first_time_is_back_at_once() -> None:
    assert running(CARRIER, GATEWAY).exited("gateway", -9, 5.0) == [Start("gateway")]


def test_a_restart_does_not_wait_for_neighbours() -> None:
    late = ChildSpec("late", ("x",), after=("gateway",))
    supervision = running(GATEWAY, late)
    supervision.exited("gateway", -9, 1.0)
    assert supervision.exited("late", -9, 1.0) == [Start("late")]


def test_a_child_that_keeps_failing_is_started_after_growing_pauses() -> None:
    supervision = Supervision([GATEWAY])
    supervision.tick(0.0)
    now, pauses = 0.0, []
    for _ in range(12):
        actions = supervision.exited("gateway", 1, now)
        due = supervision.deadline()
        if due is None:
            assert actions == [Start("gateway")]
            due = now
        else:
            assert supervision.tick(due - 0.001) == []
            assert supervision.tick(due) == [Start("gateway")]
        pauses.append(round(due - now, 3))
        now = due
    assert pauses[:5] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_child_that_does_get_ready_never_pauses_long() -> None:
    assert pause(50, was_ready=True) == LONGEST_PAUSE_READY
    assert pause(2, was_ready=True) == FIRST_PAUSE


def test_a_child_that_was_ready_and_then_dies_in_its_start_is_back_at_once() -> None:
    supervision, now = running(GATEWAY), 0.0
    for _ in range(20):
        now += 5.0
        supervision.exited("gateway", -9, now)
        now += LONGEST_PAUSE_READY
        supervision.tick(now)
        supervision.reported_ready("gateway", now)
    supervision.exited("gateway", -9, now)
    supervision.tick(now + LONGEST_PAUSE_READY)
    assert supervision.exited("gateway", -9, now + 1.0) == [Start("gateway")]


def test_a_child_that_was_ready_for_long_fails_for_the_first_time_again() -> None:
    supervision = running(GATEWAY)
    supervision.exited("gateway", 1, 1.0)
    supervision.reported_ready("gateway", 2.0)
    assert supervision.exited("gateway", 1, 2.0 + STEADY_SECONDS) == [Start("gateway")]


def test_children_stop_in_order_each_group_after_the_one_before_is_gone() -> None:
    supervision = running(*NODE)
    assert supervision.stop(10.0) == [Stop("welcome")]
    assert supervision.exited("welcome", -15, 10.1) == [Stop("gateway")]
    assert supervision.exited("gateway", 0, 10.2) == [Stop("carrier")]
    assert supervision.exited("carrier", 0, 10.3) == []
    assert supervision.finished
    assert supervision.exit_status == 0


def test_what_does_not_stop_in_its_time_is_killed_and_that_shows_in_the_status() -> None:
    supervision = running(GATEWAY)
    supervision.stop(10.0)
    assert supervision.deadline() == 30.0
    assert supervision.tick(29.9) == []
    assert supervision.tick(30.0) == [Kill("gateway")]
    assert supervision.deadline() is None
    supervision.exited("gateway", -9, 30.1)
    assert supervision.finished
    assert supervision.exit_status == 1


def test_nothing_is_started_again_while_stopping() -> None:
    supervision = running(CARRIER, GATEWAY)
    supervision.stop(1.0)
    assert supervision.exited("carrier", -9, 1.1) == []
    assert supervision.exited("gateway", 0, 1.2) == []
    assert supervision.finished


def test_a_child_in_its_pause_is_simply_not_started_when_stopping() -> None:
    supervision = Supervision([GATEWAY])
    supervision.tick(0.0)
    supervision.exited("gateway", 1, 0.0)
    supervision.exited("gateway", 1, 0.0)
    assert supervision.stop(0.01) == []
    assert supervision.finished


def test_a_kill_ends_everything_at_once() -> None:
    supervision = running(CARRIER, GATEWAY)
    supervision.stop(1.0)
    assert supervision.kill() == [Kill("carrier"), Kill("gateway")]
    supervision.exited("carrier", -9, 1.1)
    supervision.exited("gateway", -9, 1.1)
    assert supervision.finished
    assert supervision.exit_status == 130


def test_a_configuration_that_stays_wrong_stops_the_node() -> None:
    supervision = Supervision(NODE)
    supervision.tick(0.0)
    supervision.reported_ready("carrier", 0.1)
    assert supervision.exited("gateway", EXIT_CONFIGURATION, 0.2) == [Start("gateway")]
    later = MISCONFIGURED_SECONDS
    assert supervision.exited("gateway", EXIT_CONFIGURATION, later) == [Stop("carrier")]
    supervision.exited("carrier", 0, later)
    assert supervision.finished
    assert supervision.exit_status == EXIT_CONFIGURATION


def test_a_node_that_served_already_outlives_a_configuration_that_was_spoilt_meanwhile() -> None:
    supervision = running(GATEWAY)
    supervision.exited("gateway", -9, 1.0)
    supervision.exited("gateway", EXIT_CONFIGURATION, 1.5)
    assert not supervision.stopping


def test_a_late_report_of_readiness_changes_nothing() -> None:
    supervision = running(GATEWAY)
    supervision.stop(1.0)
    assert supervision.reported_ready("gateway", 1.1) == []
    assert supervision.children["gateway"].state is State.STOPPING


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["ready", "exit", "tick", "stop", "kill"]),
        st.sampled_from([spec.name for spec in NODE]),
        st.sampled_from([0, 1, -9, EXIT_CONFIGURATION]),
        st.floats(0, 40),
    ),
    max_size=40,
)


@given(HAPPENINGS)
def test_whatever_happens_no_child_runs_twice_and_stopping_ends(
    happenings: list[tuple[str, str, int, float]],
) -> None:
    supervision, alive, now = Supervision(NODE), set[str](), 0.0

    def do(actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Start):
                assert action.name not in alive
                assert not supervision.stopping
                alive.add(action.name)
            else:
                assert action.name in alive

    do(supervision.tick(now))
    for what, name, status, later in happenings:
        now += later
        if what == "ready" and name in alive:
            do(supervision.reported_ready(name, now))
        elif what == "exit" and name in alive:
            alive.discard(name)
            do(supervision.exited(name, status, now))
        elif what == "tick":
            do(supervision.tick(now))
        elif what == "stop":
            do(supervision.stop(now))
        elif what == "kill":
            do(supervision.kill())
    do(supervision.stop(now))
    for _ in NODE:
        for name in sorted(alive):
            alive.discard(name)
            do(supervision.exited(name, 0, now))
    assert supervision.finished
    assert not alive


def test_the_list_of_children_survives_the_pipe() -> None:
    assert decode(encode(NODE)) == list(NODE)


@pytest.mark.parametrize(
    "specs",
    [
        (GATEWAY, GATEWAY),
        (ChildSpec("a", ("x",), after=("nobody",)),),
        (ChildSpec("a", ("x",), after=("b",)), ChildSpec("b", ("x",), after=("a",))),
    ],
)
def test_a_list_that_cannot_work_is_refused(specs: tuple[ChildSpec, ...]) -> None:
    with pytest.raises(ValueError, match=r"two children|wait for"):
        decode(encode(specs))
