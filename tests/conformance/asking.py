"""Tools that ask the client back: by requests of the older protocol, by results that want input of the newer one."""

from __future__ import annotations

import json
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, Field

Ctx = Context[Any, Any]


def add(mcp: MCPServer[Any]) -> None:
    """Give a server all of it."""
    _add_requests(mcp)
    _add_forms(mcp)
    _add_single_inputs(mcp)
    _add_states(mcp)
    _add_prompt(mcp)


# --- Older: requests to the client ---------------------------------------------------------------------------


class Answer(BaseModel):
    """One word."""

    response: str = Field(description="User's response")


class Defaults(BaseModel):
    """Each primitive type with a default."""

    name: str = Field(default="John Doe", description="User name")
    age: int = Field(default=30, description="User age")
    score: float = Field(default=95.5, description="User score")
    status: str = Field(
        default="active", description="User status", json_schema_extra={"enum": ["active", "inactive", "pending"]}
    )
    verified: bool = Field(default=True, description="Verification status")


def _titled(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"const": const, "title": title} for const, title in pairs]


_LEVELS = _titled(("low", "Low Priority"), ("medium", "Medium Priority"), ("high", "High Priority"))
_KINDS = _titled(("bug", "Bug Fix"), ("docs", "Documentation"), ("feature", "New Feature"))


class Enums(BaseModel):
    """Each way to write an enumeration."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["active", "inactive", "pending"]})
    titledSingle: str = Field(json_schema_extra={"oneOf": _LEVELS})  # type: ignore[dict-item]
    untitledMulti: list[str] = Field(
        json_schema_extra={"items": {"type": "string", "enum": ["read", "write", "execute"]}}
    )
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": _KINDS}})  # type: ignore[dict-item]
    legacyEnum: str = Field(
        json_schema_extra={"enum": ["small", "medium", "large"], "enumNames": ["Small", "Medium", "Large"]}
    )


def _add_requests(mcp: MCPServer[Any]) -> None:
    @mcp.tool()
    async def test_sampling(prompt: str, ctx: Ctx) -> str:
        """Has the client's model say something."""
        result = await ctx.session.create_message(
            messages=[SamplingMessage(role="user", content=TextContent(type="text", text=prompt))],
            max_tokens=100,
            related_request_id=ctx.request_id,
        )
        return f"LLM response: {result.content.text if result.content.type == 'text' else 'No response'}"

    @mcp.tool()
    async def test_missing_capability(ctx: Ctx) -> str:
        """Wants a capability that the client may lack."""
        has = ctx.session.client_capabilities
        if has is None or has.sampling is None:
            wanted = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool requires sampling", data=wanted)
        return "Client declared sampling capability; proceeding."


def _add_forms(mcp: MCPServer[Any]) -> None:
    async def fill(ctx: Ctx, message: str, form: type[BaseModel]) -> str:
        result = await ctx.elicit(message=message, schema=form)
        content = result.data.model_dump_json() if result.action == "accept" else "{}"
        return f"action={result.action}, content={content}"

    @mcp.tool()
    async def test_elicitation(message: str, ctx: Ctx) -> str:
        """Asks the user something."""
        return f"User response: {await fill(ctx, message, Answer)}"

    @mcp.tool()
    async def test_elicitation_sep1034_defaults(ctx: Ctx) -> str:
        """Asks with defaults."""
        return f"Elicitation result: {await fill(ctx, 'Please provide user information', Defaults)}"

    @mcp.tool()
    async def test_elicitation_sep1330_enums(ctx: Ctx) -> str:
        """Asks with enumerations."""
        return f"Elicitation completed: {await fill(ctx, 'Please select values', Enums)}"


# --- Newer: results that want input --------------------------------------------------------------------------


def _form(message: str, name: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(text: str, most: int = 100) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=most))


def _filled(answer: object, name: str) -> str:
    return str(answer.content.get(name)) if isinstance(answer, ElicitResult) and answer.content else "?"


def _add_single_inputs(mcp: MCPServer[Any]) -> None:
    @mcp.tool()
    async def test_input_required_result_elicitation(ctx: Ctx) -> str | InputRequiredResult:
        """Wants a name."""
        if (given := ctx.input_responses) and "user_name" in given:
            return f"Hello, {_filled(given['user_name'], 'name')}!"
        return InputRequiredResult(input_requests={"user_name": _form("What is your name?", "name")})

    @mcp.tool()
    async def test_input_required_result_sampling(ctx: Ctx) -> str | InputRequiredResult:
        """Wants the client's model to answer."""
        if (given := ctx.input_responses) and "capital_question" in given:
            answer = given["capital_question"]
            said = isinstance(answer, CreateMessageResult) and answer.content.type == "text"
            return answer.content.text if said else "?"  # type: ignore[union-attr,return-value]
        question = _sample("What is the capital of France?")
        return InputRequiredResult(input_requests={"capital_question": question})

    @mcp.tool()
    async def test_input_required_result_list_roots(ctx: Ctx) -> str | InputRequiredResult:
        """Wants the client's roots."""
        if (given := ctx.input_responses) and "client_roots" in given:
            answer = given["client_roots"]
            return f"Client exposed {len(answer.roots) if isinstance(answer, ListRootsResult) else 0} root(s)."
        return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})

    @mcp.tool()
    async def test_input_required_result_multiple_inputs(ctx: Ctx) -> str | InputRequiredResult:
        """Wants three things at once."""
        if (given := ctx.input_responses) and {"user_name", "greeting", "client_roots"} <= given.keys():
            return "All inputs received."
        wanted: dict[str, InputRequest] = {
            "user_name": _form("What is your name?", "name"),
            "greeting": _sample("Generate a greeting", 50),
            "client_roots": ListRootsRequest(),
        }
        return InputRequiredResult(input_requests=wanted, request_state="multiple-inputs")

    @mcp.tool()
    async def test_input_required_result_capabilities(ctx: Ctx) -> InputRequiredResult:
        """Wants only what the client can do."""
        has, wanted = ctx.client_capabilities, dict[str, InputRequest]()
        if has is None or has.sampling is not None:
            wanted["sample"] = _sample("Say hello", 50)
        if has is None or has.elicitation is not None:
            wanted["ask"] = _form("What is your name?", "name")
        return InputRequiredResult(input_requests=wanted, request_state="capability-gated")


def _add_states(mcp: MCPServer[Any]) -> None:
    confirm = _form("Please confirm", "ok", "boolean")

    @mcp.tool()
    async def test_input_required_result_request_state(ctx: Ctx) -> str | InputRequiredResult:
        """Its state comes back."""
        if (given := ctx.input_responses) and "confirm" in given and ctx.request_state == "nonce":
            return "state-ok: confirmation received"
        return InputRequiredResult(input_requests={"confirm": confirm}, request_state="nonce")

    @mcp.tool()
    async def test_input_required_result_tampered_state(ctx: Ctx) -> str | InputRequiredResult:
        """Its state must come back as it went out."""
        if ctx.request_state is None:
            return InputRequiredResult(input_requests={"confirm": confirm}, request_state="round-1")
        return f"state-ok: {ctx.request_state}"

    @mcp.tool()
    async def test_input_required_result_multi_round(ctx: Ctx) -> str | InputRequiredResult:
        """Three rounds, with a state that grows; an answer out of turn begins anew."""
        state, given = json.loads(ctx.request_state or '{"round": 0}'), ctx.input_responses or {}
        if state["round"] == 1 and "step1" in given:
            after = {"round": 2, "name": _filled(given["step1"], "name")}
            ask = _form("Step 2: What is your favorite color?", "color")
            return InputRequiredResult(input_requests={"step2": ask}, request_state=json.dumps(after))
        if state["round"] == 2 and "step2" in given:
            return f"{state.get('name')} likes {_filled(given['step2'], 'color')}."
        first = _form("Step 1: What is your name?", "name")
        return InputRequiredResult(input_requests={"step1": first}, request_state=json.dumps({"round": 1}))


def _add_prompt(mcp: MCPServer[Any]) -> None:
    @mcp.prompt()
    async def test_input_required_result_prompt(ctx: Ctx) -> list[UserMessage] | InputRequiredResult:
        """A prompt that wants input."""
        if (given := ctx.input_responses) and "user_context" in given:
            text = f"Use the following context: {_filled(given['user_context'], 'context')}"
            return [UserMessage(role="user", content=TextContent(type="text", text=text))]
        wanted = _form("What context should the prompt use?", "context")
        return InputRequiredResult(input_requests={"user_context": wanted})
