"""Preloaded by Dask's workers in tests of a sweep: has them train with a stand-in for Keras."""

from stub_trainers import StubTrainers

from regaudit.sweeping import on_dask
from regaudit.sweeping.worker import Answer


class StubProcess:
    """In place of a process that trains."""

    def __init__(self, folder):
        assert folder  # where the user's data lie
        self.trainers = StubTrainers(seconds=0.05)

    def ask(self, request, opening=None):
        assert opening or request.opening
        if request.opening:
            return Answer(opened=self.trainers.open(request.opening))
        if request.export:
            self.trainers.export(request.export.source, request.export.out)
            return Answer()
        made = []
        self.trainers.do([request.task], lambda _, trained: made.append(trained), lambda *_: None)
        return Answer(trained=made[0])

    def end(self):
        pass


on_dask.Process = StubProcess
