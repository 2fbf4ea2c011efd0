"""Work on many things, several at a time."""

from threading import Lock, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional


def each(
    work: "Callable[[int], object]",
    count: int,
    at_once: int,
    progress: "Optional[Callable[[int, int], object]]" = None,
) -> None:
    """Call `work(index)` for each index below `count`, `at_once` at a time; raise what one of them raised."""
    lock, waiting, done = Lock(), iter(range(count)), [0]
    errors: List[BaseException] = []

    def take_turns() -> None:
        while not errors:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            try:
                work(index)
            except BaseException as error:  # noqa: BLE001 (the caller's thread raises it)
                errors.append(error)
            with lock:
                done[0] += 1
                if progress:
                    progress(done[0], count)

    # Daemons: the user who interrupts a check does not wait for them.
    threads = [Thread(target=take_turns, daemon=True) for _ in range(min(at_once, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
