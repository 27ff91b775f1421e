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
from dambench_hub.leaderboard.submissions.lifecycle import State
from dambench_hub.leaderboard.web.actions import SubmissionActions, plain
from dambench_hub.leaderboard.web.example_file import example
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.measures import OVERALL
from dambench_hub.leaderboard.web.pages.address import Address, Query, choice, query_of
from dambench_hub.leaderboard.web.pages.events import QUIET, WAITING
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order
from dambench_hub.leaderboard.web.uploads import open_inbox
from dambench_hub.predictions.header import MAX_NAME
from dambench_hub.predictions.reader import CONTAINERS
from dambench_hub.tasks.task import Task

SECONDS = 2.0
"""Between two looks at a submission that is not scored yet."""


def build(site: Site) -> None:
    """Lay the page out."""
    page = _Page(site, SubmissionActions(site, open_inbox(site)))
    tasks = tasks_in_order(site)
    address = Address()
    head = gr.HTML(WAITING, apply_default_css=False)
    choice("Task", "task", [(name, name) for name in tasks])
    recipe = gr.HTML(WAITING, apply_default_css=False)
    with gr.Column(visible=site.sign_in.is_open, elem_classes="handing-in"):
        drop = gr.HTML(WAITING, apply_default_css=False)
        ticket = gr.Textbox(visible="hidden", elem_id="ticket", label="ticket")
        looked = gr.HTML(apply_default_css=False, elem_id="looked")
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
        decision = gr.Textbox(visible="hidden", elem_id="decision", label="decision")
    timer = gr.Timer(SECONDS, active=False)
    status = [newest, own, timer]
    texts = [name, model, paper]
    address.follow(page.arrive, [head, drop, *status], later=False)
    address.follow(page.recipe, recipe)
    gr.on(timer.tick, page.show_status, [], status, **QUIET)
    gr.on(ticket.change, page.look, [ticket, *texts], [looked, *texts], **QUIET)
    gr.on(
        send.click,
        page.hand_in,
        [ticket, address.box, *texts, description, publish],
        [said, ticket, drop, looked, *status],
        trigger_mode="once",
        **QUIET,
    )
    gr.on(decision.change, page.decide, decision, [decision, said, *status], **QUIET)
    _offer_api(page.actions, site)


class _Page:
    """What happens on the page."""

    def __init__(self, site: Site, actions: SubmissionActions) -> None:
        self.site = site
        self.actions = actions
        self.first = tasks_in_order(site)[0]

    def arrive(self, query: Query, request: gr.Request) -> tuple[Any, ...]:
        """What does not depend on the task, for whoever opens the page."""
        person = self.site.sign_in.person(request)
        head = render(
            "submit_person",
            person=person,
            is_space=self.site.sign_in.developer is None,
            is_open=self.site.sign_in.is_open,
            limits=self.site.limits,
        )
        return head, self._drop(person), *self.show_status(request)

    def task(self, query: Query) -> Task:
        """The task that an address names."""
        return self.site.tasks.get(query.get("task", "")) or self.site.tasks[self.first]

    def recipe(self, query: Query, request: gr.Request) -> str:
        """How a file for a task is made."""
        chosen = self.task(query)
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
            return "", "", gr.Timer(active=False)
        submissions = self.site.submissions.of(person)
        rows = [self.actions.status(submission, person) for submission in submissions]
        waiting = any(one.state is State.RECEIVED for one in submissions)
        return (
            self._newest(rows[0]) if rows else "",
            render("submit_own", rows=rows),
            gr.Timer(active=waiting),
        )

    def look(
        self, ticket: str, name: str, model: str, paper: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """What the header of a file says that has just arrived; texts that are empty are filled."""
        if not ticket:
            return ("", *(gr.skip(),) * 3)
        try:
            look = self.actions.look(self.site.sign_in.person(request), ticket)
        except DambenchError as error:
            return (_said(error), *(gr.skip(),) * 3)
        known = [look.attributes.get(of, "") for of in ("model_name", "model_url", "paper_url")]
        texts = [was or new for was, new in zip((name, model, paper), known, strict=True)]
        return render("submit_look", look=look), *texts

    def hand_in(
        self,
        ticket: str,
        address: str,
        name: str,
        model: str,
        paper: str,
        description: str,
        publish: bool,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Put the file that has arrived into the queue."""
        person, task = self.site.sign_in.person(request), self.task(query_of(address, request))
        try:
            look = self.actions.look(person, ticket, task.name) if person and ticket else None
            if look and look.problems:  # none are known when it was too busy to look
                problems = render("submit_look", look=look)
                return problems, gr.skip(), gr.skip(), "", *self.show_status(request)
            self.actions.receive(
                person,
                ticket,
                name=name,
                task=task.name,
                model_url=model,
                paper_url=paper,
                description=description,
                publish=publish,
            )
        except DambenchError as error:
            return _said(error), gr.skip(), gr.skip(), gr.skip(), *self.show_status(request)
        return "", "", self._drop(person), "", *self.show_status(request)

    def decide(self, decision: str, request: gr.Request) -> tuple[Any, ...]:
        """Do what a button beside a submission asks for: `publish ID` or `withdraw ID why`."""
        if not decision:  # the box is empty again
            return (gr.skip(),) * 5
        action, _, rest = decision.partition(" ")
        id, _, reason = rest.partition(" ")
        try:
            self.actions.decide(self.site.sign_in.person(request), id, action, reason)
        except DambenchError as error:
            return "", _said(error), *self.show_status(request)
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
        task = self.site.tasks.get(status["task"])
        name = OVERALL[task.main_score].title if task else ""
        return render("submit_newest", status=status, score_name=name)


def _said(error: DambenchError) -> str:
    return render("submit_said", message=plain(error))


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
