"""Reading the instances of an order into memory that is used again."""

from pathlib import Path

import pytest

from safelight.site.order_memory import IN_MEMORY_BYTES_MAX, OrderMemory

CONTENT = bytes(range(256)) * 100


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(("offset", "size"), [(0, 25600), (1024, 9000), (4096, 1), (1, 4096), (25599, 1), (0, 0)])
def test_a_part_of_a_file_is_read_past_the_page_cache_or_through_it(
    tmp_path: Path, offset: int, size: int, *, direct: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    source = OrderMemory().read(path, offset, size, direct=direct)
    assert source is not None
    assert bytes(source.data) == CONTENT[offset : offset + size]


@pytest.mark.parametrize("direct", [True, False])
def test_a_file_that_is_shorter_than_was_said_gives_what_it_has(tmp_path: Path, *, direct: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    source = OrderMemory().read(path, 25000, 10_000, direct=direct)
    assert source is not None
    assert bytes(source.data) == CONTENT[25000:]


def test_instances_of_one_order_stand_side_by_side_and_the_next_order_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    memory = OrderMemory()
    one, other = (memory.read(path, offset, 5000, direct=True) for offset in (0, 5000))
    assert one is not None
    assert other is not None
    assert bytes(one.data) + bytes(other.data) == CONTENT[:10_000]
    memory.clear()
    again = memory.read(path, 20_000, 5000, direct=True)
    assert again is not None
    assert bytes(again.data) == CONTENT[20_000:25_000]


def test_what_does_not_fit_is_left_to_be_read_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    memory = OrderMemory()
    assert memory.read(path, 0, 2 * IN_MEMORY_BYTES_MAX, direct=False) is None
    assert memory.read(path, 0, 10, direct=False) is not None


@pytest.mark.parametrize("direct", [True, False])
def test_a_file_that_is_gone_is_an_error(tmp_path: Path, *, direct: bool) -> None:
    with pytest.raises(FileNotFoundError):
        OrderMemory().read(tmp_path / "gone", 0, 10, direct=direct)
