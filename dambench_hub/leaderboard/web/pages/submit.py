"""The page where people hand in their analyses, and see what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.sign_in import KEY_DAYS
from dambench_hub.leaderboard.accounts.text_rules import MAX_DESCRIPTION
from dambench_hub.leaderboard.inbox import in_words
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.submissions.lifecycle import IN_USE, State, Submission
from dambench_hub.leaderboard.web.actions import SubmissionActions, plain
from dambench_hub.leaderboard.web.example_file import example
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.events import QUIET, take_any_text
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order
from dambench_hub.leaderboard.web.uploads import open_inbox
from dambench_hub.predictions.header import MAX_NAME
from dambench_hub.predictions.reader import CONTAINERS

SECONDS = 2.0
"""Between two looks at a submission that is not scored yet."""


def build(site: Site) -> None:
    """Lay the page out."""
    page = _Page(site, SubmissionActions(site, open_inbox(site)))
    tasks = tasks_in_order(site)
    head = gr.HTML(apply_default_css=False)
    with gr.Row(elem_classes="controls"):
        task = gr.Radio(
            tasks,
            value=tasks[0],
            label="Task",
            elem_classes=["plain", "tabs-like"],
            elem_id="task",
        )
    recipe = gr.HTML(apply_default_css=False)
    with gr.Column(visible=site.sign_in.is_open, elem_classes="handing-in"):
        drop = gr.HTML(apply_default_css=False)
        ticket = gr.Textbox(visible="hidden", elem_id="ticket", label="ticket")
        with gr.Row():
            name = gr.Textbox(label="Name on the board", max_length=MAX_NAME)
            model = gr.Textbox(label="Link to the model", placeholder="https://")
            paper = gr.Textbox(label="Link to the paper", placeholder="https://")
        description = gr.Textbox(label="Description", lines=2, max_length=MAX_DESCRIPTION)
        publish = gr.Checkbox(True, label="Show it on the board as soon as it is scored")
        send = gr.Button("Hand in", variant="primary", elem_id="hand-in")
        said = gr.HTML(apply_default_css=False, elem_id="said")
        newest = gr.HTML(apply_default_css=False, elem_id="newest")
        own = gr.HTML(apply_default_css=False)
        with gr.Row(visible=False, elem_classes="decisions") as decisions:
            chosen = take_any_text(gr.Dropdown([], label="One of yours"))
            reason = gr.Textbox(label="Why, if you withdraw it", max_length=MAX_DESCRIPTION)
            show = gr.Button("Publish")
            hide = gr.Button("Withdraw")
    timer = gr.Timer(SECONDS, active=False)
    status = [newest, own, decisions, chosen, timer]
    gr.on(None, page.arrive, [], [head, task, recipe, drop, *status], **QUIET)
    gr.on(task.input, page.recipe, [task], recipe, **QUIET)
    gr.on(timer.tick, page.show_status, [], status, **QUIET)
    gr.on(
        send.click,
        page.hand_in,
        [ticket, task, name, model, paper, description, publish],
        [said, ticket, drop, *status],
        trigger_mode="once",
        **QUIET,
    )
    gr.on(show.click, page.publish, [chosen, reason], [said, reason, *status], **QUIET)
    gr.on(hide.click, page.withdraw, [chosen, reason], [said, reason, *status], **QUIET)
    _offer_api(page.actions, site)


class _Page:
    """What happens on the page."""

    def __init__(self, site: Site, actions: SubmissionActions) -> None:
        self.site = site
        self.actions = actions
        self.first = tasks_in_order(site)[0]

    def arrive(self, request: gr.Request) -> tuple[Any, ...]:
        """Everything, for whoever opens the page."""
        person = self.site.sign_in.person(request)
        head = render(
            "submit_person",
            person=person,
            is_space=self.site.sign_in.developer is None,
            is_open=self.site.sign_in.is_open,
            limits=self.site.limits,
        )
        asked = request.query_params.get("task", "")
        known = asked in self.site.tasks
        recipe = self.recipe(asked if known else self.first, request)
        # Somebody may have chosen a task while this was on its way.
        task = asked if known else gr.skip()
        return head, task, recipe, self._drop(person), *self.show_status(request)

    def recipe(self, task: str, request: gr.Request) -> str:
        """How a file for a task is made."""
        chosen = self.site.tasks.get(task) or self.site.tasks[self.first]
        times = chosen.times(self.site.data.manifest)
        person = self.site.sign_in.person(request)
        return render(
            "submit_recipe",
            task=chosen,
            times=len(times),
            first=times[0],
            last=times[-1],
            channels=len(self.site.data.channels),
            grid=self.site.data.grid,
            size=in_words(self.site.value_bytes(chosen)),
            example=example(chosen, self.site.source),
            key=self.site.sign_in.key(person) if person else "",
            key_days=KEY_DAYS,
            address=str(request.request.base_url).rstrip("/"),  # type: ignore[union-attr]
        )

    def show_status(self, request: gr.Request) -> tuple[Any, ...]:
        """What became of this person's submissions; the clock goes on while one waits."""
        person = self.site.sign_in.person(request)
        if person is None:
            return "", "", gr.Row(visible=False), gr.Dropdown(choices=[]), gr.Timer(active=False)
        submissions = self.site.submissions.of(person)
        rows = [self.actions.status(submission, person) for submission in submissions]
        own = [(_label(one), one.id) for one in submissions if _is_open_to_decision(one)]
        waiting = any(one.state is State.RECEIVED for one in submissions)
        return (
            self._newest(rows[0]) if rows else "",
            render("submit_own", rows=rows),
            gr.Row(visible=bool(own)),
            gr.Dropdown(choices=own),
            gr.Timer(active=waiting),
        )

    def hand_in(
        self,
        ticket: str,
        task: str,
        name: str,
        model: str,
        paper: str,
        description: str,
        publish: bool,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Put the file that has arrived into the queue."""
        person = self.site.sign_in.person(request)
        try:
            self.actions.receive(
                person,
                ticket,
                name=name,
                task=task,
                model_url=model,
                paper_url=paper,
                description=description,
                publish=publish,
            )
        except DambenchError as error:
            return _said(error), gr.skip(), gr.skip(), *self.show_status(request)
        return "", "", self._drop(person), *self.show_status(request)

    def publish(self, id: str, reason: str, request: gr.Request) -> tuple[Any, ...]:
        """Show a private submission to all."""
        return self._decide("publish", id, reason, request)

    def withdraw(self, id: str, reason: str, request: gr.Request) -> tuple[Any, ...]:
        """Take a submission off the board, or out of the queue."""
        return self._decide("withdraw", id, reason, request)

    def _decide(self, action: str, id: str, reason: str, request: gr.Request) -> tuple[Any, ...]:
        try:
            person = self.site.sign_in.person(request)
            self.actions.decide(person, id or "", action, reason or "")
        except DambenchError as error:
            return _said(error), gr.skip(), *self.show_status(request)
        return "", "", *self.show_status(request)

    def _drop(self, person: Person | None) -> str:
        most = self.site.largest_upload
        return render(
            "submit_drop",
            suffixes=list(CONTAINERS),
            most=most,
            largest=in_words(most),
            closed=person is None,
        )

    def _newest(self, status: dict[str, Any]) -> str:
        main_score = (
            self.site.tasks[status["task"]].main_score if status["task"] in self.site.tasks else ""
        )
        return render("submit_newest", status=status, score_name=main_score.upper())


def _said(error: DambenchError) -> str:
    return render("submit_said", message=plain(error))


def _label(submission: Submission) -> str:
    return f"{submission.name} · {submission.task} · {submission.state}"


def _is_open_to_decision(submission: Submission) -> bool:
    return submission.state in IN_USE


def _offer_api(actions: SubmissionActions, site: Site) -> None:
    """Let programs do what the page does: `/submit` and `/status`."""

    def submit(
        file: str,
        name: str,
        task: str,
        request: gr.Request,
        description: str = "",
        model_url: str = "",
        paper_url: str = "",
        publish: bool = True,
    ) -> dict[str, Any]:
        """Hand in a prediction file, given with `handle_file`; gives what `/status` gives."""
        person = site.sign_in.person(request)
        texts = {"name": name, "task": task, "description": description}
        texts |= {"model_url": model_url, "paper_url": paper_url}
        with plain_errors():
            _require_texts(file=file, **texts)
            submission = actions.receive(person, file, **texts, publish=publish is True)
            return actions.status(submission, person)

    def status(id: str, request: gr.Request) -> dict[str, Any]:
        """What became of a submission: state, place, progress, problems, score and rank."""
        person = site.sign_in.person(request)
        with plain_errors():
            _require_texts(id=id)
            return actions.status(actions.find(person, id), person)

    for function in (submit, status):
        gr.api(function, api_name=function.__name__, queue=False)


def _require_texts(**values: object) -> None:
    """Programs can send anything as JSON."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise DambenchError(f"{name} is text, got {ascii(value)[:MAX_NAME]}.")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a person can mend into a message on the page, and in their program."""
    try:
        yield
    except DambenchError as error:
        raise gr.Error(plain(error), duration=None, print_exception=False) from error
