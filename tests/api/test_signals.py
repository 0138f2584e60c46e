"""Signals that end a process: one after the other, many at once, while others wait for the same event."""

from __future__ import annotations

import signal
import threading

import pytest

from api.signals import ended_by


def test_a_signal_ends_and_the_handler_of_before_is_there_again() -> None:
    before, ended = signal.getsignal(signal.SIGUSR1), threading.Event()
    with ended_by(ended, (signal.SIGUSR1,)):
        signal.raise_signal(signal.SIGUSR1)
        assert ended.wait(10)
    assert signal.getsignal(signal.SIGUSR1) == before


def test_no_signal_ends_nothing() -> None:
    ended = threading.Event()
    with ended_by(ended, (signal.SIGUSR1,)):
        pass
    assert not ended.is_set()


@pytest.mark.timeout(30)
def test_a_signal_that_comes_while_the_event_is_locked_ends_as_well() -> None:
    ended = threading.Event()
    with ended_by(ended, (signal.SIGUSR1, signal.SIGUSR2)):
        # What who waits for the event, or sets it, has locked for a moment.
        with ended._cond:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR2)
        assert ended.wait(10)


def test_another_thread_hears_no_signals_and_goes_on() -> None:
    ended, gone_through = threading.Event(), threading.Event()

    def go() -> None:
        with ended_by(ended, (signal.SIGUSR1,)):
            gone_through.set()

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    assert (gone_through.is_set(), ended.is_set()) == (True, False)
