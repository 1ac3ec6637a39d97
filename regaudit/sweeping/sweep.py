"""The whole of a sweep: open, ladder, halving, mean of weights, verdict, the chosen model."""

import shutil
from collections.abc import Callable, Generator, Sequence
from functools import partial
from math import ceil, isfinite
from typing import Any

import msgspec

from regaudit.editing.apply import apply
from regaudit.errors import UnreadableModelError, UsageError
from regaudit.evidence.training_facts import Facts
from regaudit.report.proposal import Edit, Purpose
from regaudit.report.spelling import count
from regaudit.sweeping.entrant import Entrant
from regaudit.sweeping.journal import Journal
from regaudit.sweeping.outcome import Setting, Sweep
from regaudit.sweeping.pace import Pace
from regaudit.sweeping.plan import BATCH, Plan, digest
from regaudit.sweeping.processes import Trainers
from regaudit.sweeping.search import halving, ladder
from regaudit.sweeping.strengths import Base, base_of, measurable, without
from regaudit.sweeping.task import LAST, Opened, Task, Trained
from regaudit.sweeping.verdict import compared, judged_by

AS_IT_IS, NO_PENALTY, SOUP = "as it is", "no penalty", "soup"

Say = Callable[[str], None]


def run(
    plan: Plan,
    trainers: Trainers,
    journal: Journal,
    say: Say = lambda _: None,
    announce: Say = lambda _: None,
) -> tuple[Sweep, str]:
    """Sweep a model.

    Args:
        plan: what, and how.
        trainers: what trains.
        journal: of this sweep, perhaps half done.
        say: told in one line how far it is, again and again.
        announce: told once, before training begins, how much of it there will be.

    Returns:
        What was found, and the file of the chosen model; empty if it is the model as it is.

    Raises:
        UsageError: the data do not fit the model, or there is nothing to sweep.
        RefusedEditError: the file does not take the strengths.
        UnreadableModelError: Keras cannot load or train it.
    """
    return _Run(plan, trainers, journal, say, announce).all()


class _Run:
    def __init__(
        self, plan: Plan, trainers: Trainers, journal: Journal, say: Say, announce: Say
    ) -> None:
        self._file, self._report, self._wanted = plan.file, plan.report, plan.wanted
        wanted, report = plan.wanted, plan.report
        self._trainers, self._journal = trainers, journal
        self._say, self._announce = say, announce
        out = str(journal.folder / "as-it-is")
        activity = measurable(report) if "activity" in wanted.kinds else ()
        self._opening = msgspec.structs.replace(
            plan.opening, out=out, activity=activity, batch_size=wanted.batch_size or BATCH
        )
        self._sha256 = digest(plan.file)
        self._spent = 0
        self._pace = Pace(0)

    def all(self) -> tuple[Sweep, str]:
        self._say("opening the model and the data")
        opened = self._trainers.open(self._opening)
        as_it_is = Entrant(AS_IT_IS, "as it is", str(self._file))
        as_it_is.trained, as_it_is.outs = [opened.as_it_is], [self._opening.out]
        whole, rung = self._epochs(opened)
        planned = self._planned(whole, rung)
        self._pace = Pace(planned)
        bases = self._bases(opened)
        self._journal.begin({**self._about(), "data": opened.data})
        self._announce(self._plan(whole, rung, planned))
        entrants = self._compete(bases, rung, whole)
        everyone = [as_it_is, *entrants]
        if soup := self._soup(everyone, opened):
            everyone.append(soup)
        return self._outcome(everyone, opened, whole, rung, bases)

    def _planned(self, whole: int, rung: int) -> int:
        """Return how many epochs there are at most; ladders are never cut short."""
        wanted = self._wanted
        ladders = rung * (1 + wanted.rungs * len(wanted.kinds))
        return max(round(wanted.budget * whole * len(wanted.kinds)), ladders) * wanted.repeats

    def _plan(self, whole: int, rung: int, planned: int) -> str:
        """Say what will be trained, in one line."""
        wanted = self._wanted
        begin = "from new weights" if wanted.from_scratch else "on from the saved weights"
        strengths = count(wanted.rungs, "strength")
        each = f"of each of {', '.join(wanted.kinds)}" if len(wanted.kinds) > 1 else "of a penalty"
        if wanted.kinds == ("adamw",):
            each = "of weight decay"
        seeds = f", with {wanted.repeats} seeds" if wanted.repeats > 1 else ""
        return (
            f"Plan: train {begin}, without a penalty and with at most {strengths} {each}, "
            f"{count(rung, 'epoch')} each{seeds}; then the better half goes on. At most "
            f"{count(planned, 'epoch')} in all ({planned / whole:.3g} trainings of {whole:,})"
        )

    def _about(self) -> dict[str, Any]:
        """Return what makes this sweep another one than the journal's."""
        opening, wanted = self._opening, self._wanted
        return {
            "model": self._sha256,
            "val-split": opening.val_split,
            "loss": opening.loss,
            "optimizer": opening.optimizer,
            "monitor": opening.monitor,
            "batch-size": opening.batch_size,
            "aim": ",".join(wanted.kinds),
            **{
                name.replace("_", "-"): getattr(wanted, name)
                for name in ("rungs", "epochs", "budget", "from_scratch", "repeats", "seed")
            },
        }

    def _epochs(self, opened: Opened) -> tuple[int, int]:
        """Return the epochs of a whole training, and those of a rung."""
        wanted = self._wanted
        whole = round(opened.steps / ceil(opened.train_samples / self._opening.batch_size))
        if wanted.epochs is not None:
            return whole or 4 * wanted.epochs, wanted.epochs
        if not whole:
            raise UsageError(
                f"{self._file} does not say for how long it was trained "
                f"({count(opened.steps, 'step')}): give --epochs, a quarter of a training"
            )
        return whole, max(round(whole / 4), 1)

    def _bases(self, opened: Opened) -> list[Base]:
        there, wanted = opened.as_it_is, self._wanted
        if there.val_loss is None or not isfinite(there.val_loss) or there.train_loss is None:
            raise UsageError(f"the loss of {self._file} on these data is not a finite number")
        facts = Facts(
            train_loss=there.train_loss,
            val_loss=there.val_loss,
            train_size=opened.train_samples,
            val_size=opened.val_samples,
            batch_size=self._opening.batch_size,
            target_variance=opened.target_variance,
        )
        purpose: Purpose = "new-weights" if wanted.from_scratch else "going-on"
        return [
            base_of(self._report, facts, kind, purpose, opened.activity) for kind in wanted.kinds
        ]

    # Training ------------------------------------------------------------------------------------

    def _compete(self, bases: Sequence[Base], rung: int, whole: int) -> list[Entrant]:
        """Train all that competes, but for the mean of weights."""
        bare = without(self._report.model) if self._report.model else ()
        start = self._edited(NO_PENALTY, bare) if bare else str(self._file)
        plain = Entrant(NO_PENALTY, "without", start, bare)
        found: list[list[Entrant]] = [[] for _ in bases]
        ladders: dict[int, Generator[list[Entrant], None, list[Entrant]]] = {
            number: ladder(partial(self._rung, base), self._wanted.rungs)
            for number, base in enumerate(bases)
        }
        first = [plain]
        while ladders:
            batch: list[Entrant] = []
            for number, steps in list(ladders.items()):
                step = next(steps, None)
                if step is None:
                    del ladders[number]
                else:
                    found[number] += step
                    batch += step
            self._train([*batch, *first], rung)  # a graph with strengths is one without, too
            first = []
        left = [
            round(self._wanted.budget * whole - rung * len(rungs) - rung / len(bases))
            for rungs in found
        ]
        pools = [[plain, *found[0]], *found[1:]]  # what has no penalty competes like a rung, once
        going = [halving(pool, rung, rest) for pool, rest in zip(pools, left, strict=True)]
        while going:
            steps_ = [(one, next(one, None)) for one in going]
            going = [one for one, step in steps_ if step]
            for epochs in sorted({step[1] for _, step in steps_ if step}):
                self._train(
                    [e for _, step in steps_ if step and step[1] == epochs for e in step[0]], epochs
                )
        return [plain, *(one for rungs in found for one in rungs)]

    def _rung(self, base: Base, factor: float) -> Entrant:
        name = f"{base.kind} x{factor:g}"
        edits = base.times(factor)
        return Entrant(name, "rung", self._edited(name, edits), edits, base, factor)

    def _edited(self, name: str, edits: tuple[Edit, ...]) -> str:
        """Write edits into a copy of the model, for Keras to load."""
        file = self._journal.folder / f"{_plain(name)}.start{self._file.suffix or '.keras'}"
        change = apply(self._file, edits, file, force=True)
        if not change.edits:
            shutil.copyfile(self._file, file)
        return str(file)

    def _train(self, entrants: Sequence[Entrant], epochs: int) -> None:
        """Have each train for some epochs, in all repeats."""
        tasks: dict[str, tuple[Entrant, int]] = {}
        asked = []
        for entrant in entrants:
            if not entrant.outs:
                entrant.outs = [""] * self._wanted.repeats
                entrant.trained = [Trained(0, 0)] * self._wanted.repeats
            entrant.stretches += 1
            for repeat in range(self._wanted.repeats):
                task = self._task(entrant, repeat, epochs)
                tasks[task.name] = (entrant, repeat)
                asked.append(task)
        done = {task.name: self._journal.found(task.name) for task in asked}
        for name in [name for name, trained in done.items() if trained is not None]:
            self._pace.found(name, epochs)
        self._pace.begin()
        self._trainers.do(
            [task for task in asked if done[task.name] is None],
            partial(self._note, done),
            self._told,
        )
        for task in asked:
            entrant, repeat = tasks[task.name]
            trained = done[task.name]
            if trained is None:
                raise UnreadableModelError(f"training {task.name} gave no result")
            entrant.outs[repeat], entrant.trained[repeat] = task.out, trained
            self._spent += epochs

    def _task(self, entrant: Entrant, repeat: int, epochs: int) -> Task:
        name = f"{_plain(entrant.name)}.{entrant.stretches}.{repeat}"
        later = entrant.stretches > 1
        before = entrant.outs[repeat] if later else None
        return Task(
            name=name,
            start=f"{before}{LAST}" if before else entrant.start,
            out=str(self._journal.folder / name),
            epochs=epochs,
            seed=self._wanted.seed + repeat,
            fresh=self._wanted.from_scratch and not later,
            before=before,
            so_far=entrant.trained[repeat] if later else None,
        )

    def _note(self, done: dict[str, Trained | None], task: Task, trained: Trained) -> None:
        self._journal.add(task.name, trained)
        done[task.name] = trained

    def _told(self, task: Task, epoch: int, epochs: int, val_loss: float) -> None:
        self._pace.epoch(task.name, epoch)
        name = task.name.rpartition(".")[0].rpartition(".")[0].replace("-", " ")
        self._say(f"{self._pace.text}; {name}: epoch {epoch}/{epochs}, val. loss {val_loss:.3g}")

    def _soup(self, everyone: Sequence[Entrant], opened: Opened) -> Entrant | None:
        """Take the mean of the weights of the best, as long as that lowers the score."""
        if opened.no_soup or self._wanted.from_scratch:
            return None
        parts = sorted((one for one in everyone if isfinite(one.score)), key=lambda one: one.score)
        if len(parts) < 2:
            return None
        name = f"{SOUP}.1.0"
        task = Task(
            name=name,
            start=parts[0].file,
            out=str(self._journal.folder / name),
            epochs=0,
            seed=self._wanted.seed,
            soup=tuple(one.file for one in parts),
        )
        done = {name: self._journal.found(name)}
        if done[name] is None:
            self._trainers.do([task], partial(self._note, done), self._told)
        trained = done[name]
        if trained is None or len(trained.members) < 2:
            return None
        soup = Entrant(SOUP, "soup", parts[0].start, parts[0].edits)
        soup.trained, soup.outs = [trained], [task.out]
        soup.members = tuple(parts[number].name for number in trained.members)
        return soup

    # The result ----------------------------------------------------------------------------------

    def _outcome(
        self,
        everyone: Sequence[Entrant],
        opened: Opened,
        whole: int,
        rung: int,
        bases: Sequence[Base],
    ) -> tuple[Sweep, str]:
        if digest(self._file) != self._sha256:
            raise UnreadableModelError("it was changed while it was swept: sweep it again")
        best = min(everyone, key=lambda one: one.score)
        losses = {one.name: one.losses() for one in everyone if isfinite(one.score)}
        candidates = tuple(
            compared(one.candidate(), losses.get(one.name), losses[best.name], best.name)
            for one in everyone
        )
        wanted = self._wanted
        setting = Setting(
            file=str(self._file),
            sha256=self._sha256,
            keras=opened.keras,
            backend=opened.backend,
            loss=opened.loss,
            measure=opened.measure,
            train_samples=opened.train_samples,
            val_samples=opened.val_samples,
            split=None if self._opening.val_data else self._opening.val_split,
            kinds=wanted.kinds,
            from_scratch=wanted.from_scratch,
            epochs=rung,
            whole=whole,
            batch_size=self._opening.batch_size,
            batch_size_given=wanted.batch_size is not None,
            budget=wanted.budget,
            spent=self._spent / whole,
            repeats=wanted.repeats,
            seed=wanted.seed,
            monitor=self._opening.monitor,
        )
        sweep = judged_by(
            setting, candidates, best.name, [base for base in bases if not base.proposed]
        )
        if opened.no_soup:
            sweep = msgspec.structs.replace(sweep, remarks=(*sweep.remarks, opened.no_soup))
        chosen = next(one for one in everyone if one.name == sweep.chosen)
        return sweep, "" if chosen.role == "as it is" else chosen.file


def _plain(name: str) -> str:
    """Return the name of a candidate as a part of names of files."""
    return name.replace(" ", "-").replace("/", "-")
