"""A packer for seed tests that really reads the source and compares every digest, in this process."""

import hashlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from safelight.core.errors import SafelightError
from safelight.core.instance import ByteSource, Head, MemorySource, Wrapper
from safelight.protection.seed import SeedJob, SeedResult, SourceTree, StoredName
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.part10 import read_prefix


def read_head(source: ByteSource) -> tuple[Wrapper, Head]:
    prefix = read_prefix(source)
    return Wrapper(prefix.prefix_size), scan_head(source, prefix.transfer_syntax, prefix.prefix_size)


class MemoryPacks:
    """Keeps whole files by name; works through its queue only when it is ``lag`` jobs behind."""

    def __init__(self, tree: SourceTree, lag: int = 2) -> None:
        self.tree = tree
        self.lag = lag
        self.files: dict[StoredName, bytes] = {}
        self.instances: set[str] = set()
        self.jobs: list[SeedJob] = []
        self._queue: list[SeedJob] = []

    def met(self, instances: Sequence[str]) -> AbstractSet[str]:
        return {one for one in instances if one in self.instances}

    def held(self, names: Sequence[StoredName]) -> AbstractSet[StoredName]:
        return {name for name in names if name in self.files}

    def submit(self, job: SeedJob) -> None:
        self.jobs.append(job)
        self._queue.append(job)

    def finished(self, *, wait: bool) -> Sequence[SeedResult]:
        results = []
        while len(self._queue) > (0 if wait else self.lag):
            results.append(self._pack(self._queue.pop(0)))
        return results

    @staticmethod
    def _uids(data: bytes) -> tuple[str, str, str]:
        head = read_head(MemorySource(data))[1]
        return head.study, head.series, head.sop_instance

    def _pack(self, job: SeedJob) -> SeedResult:
        failed: dict[int, str] = {}
        digests: dict[int, bytes] = {}
        for position, item in enumerate(job.items):
            try:
                with self.tree.open(item.file.locator) as source:
                    data = bytes(source.read(0, source.size))
            except SafelightError as error:
                failed[position] = error.code
                continue
            if item.measured is None and self._uids(data) != (item.file.study, item.file.series, item.file.instance):
                failed[position] = "protection.source-changed"
                continue
            cut = item.measured.wrapper.prefix_size if item.measured else read_head(MemorySource(data))[0].prefix_size
            name = StoredName(hashlib.sha256(data[cut:]).digest(), hashlib.sha256(data[:cut]).digest())
            if item.measured and name != item.measured.name:
                failed[position] = "vault.digest-mismatch"
                continue
            digests[position] = name.digest
            self.instances.add(item.file.instance)
            assert name not in self.files, "packed twice"
            self.files[name] = data
        return SeedResult(job.number, failed, digests)
