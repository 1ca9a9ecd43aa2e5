"""
Two judges of what the fake Stripe says: the SDK's annotations, and Stripe's OpenAPI document.

The document comes with stripe-mock, which `stripe_mock.py` builds.
"""

import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ForwardRef, Literal, Union

import stripe

DEPTH_MAX = 12
CLASSES: dict[str, Any] = {
    "billing_portal.session": stripe.billing_portal.Session,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "coupon": stripe.Coupon,
    "customer": stripe.Customer,
    "discount": stripe.Discount,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "line_item": stripe.InvoiceLineItem,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "price": stripe.Price,
    "product": stripe.Product,
    "refund": stripe.Refund,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
}
PLAIN = {
    int: lambda it: isinstance(it, int) and not isinstance(it, bool),
    float: lambda it: isinstance(it, int | float),
    str: lambda it: isinstance(it, str),
    bool: lambda it: isinstance(it, bool),
    type(None): lambda it: it is None,
    Decimal: lambda it: isinstance(it, str),  # on the wire
}


def unlike_sdk(doc: dict[str, Any]) -> list[str]:
    """Where an object differs from the SDK's class for it."""
    return list(_unlike_class(CLASSES[doc["object"]], doc, doc["object"], 0))


def _unlike_class(cls: Any, doc: Any, at: str, depth: int) -> Iterator[str]:
    if not isinstance(doc, dict):
        yield f"{at} is no object"
        return
    if depth > DEPTH_MAX:
        return
    known = {name: it for name, it in cls.__annotations__.items() if name != "OBJECT_NAME"}
    for name in doc.keys() - known.keys():
        yield f"{at}.{name} is not known"
    for name, wanted in known.items():
        if name in doc:
            yield from _unlike(wanted, doc[name], f"{at}.{name}", depth + 1)
        elif type(None) not in typing.get_args(wanted):
            yield f"{at}.{name} is missing"


def _unlike(wanted: Any, value: Any, at: str, depth: int) -> Iterator[str]:
    if wanted in PLAIN:
        if not PLAIN[wanted](value):
            yield f"{at} is {value!r}, not {wanted}"
    elif typing.get_origin(wanted) is not None:
        yield from _unlike_generic(wanted, value, at, depth)
    elif isinstance(wanted, ForwardRef | str):
        name = wanted if isinstance(wanted, str) else wanted.__forward_arg__
        yield from _unlike_named(name, value, at, depth)
    elif "Untyped" not in wanted.__name__:
        yield from _unlike_class(wanted, value, at, depth)


def _unlike_generic(wanted: Any, value: Any, at: str, depth: int) -> Iterator[str]:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Union:
        wrong = [list(_unlike(choice, value, at, depth)) for choice in args]
        if all(wrong):
            yield min(wrong, key=len)[0]
    elif origin is Literal:
        if value not in args:
            yield f"{at} is {value!r}, not one of {args}"
    elif origin is list:
        for item in value if isinstance(value, list) else [None]:
            yield from _unlike(args[0], item, f"{at}[]", depth)
    elif origin.__name__ == "ListObject":
        yield from _unlike_list(args[0], value, at, depth)


def _unlike_list(item: Any, value: Any, at: str, depth: int) -> Iterator[str]:
    if not isinstance(value, dict) or value.keys() < {"object", "data", "has_more", "url"}:
        yield f"{at} is no list of Stripe's"
        return
    for one in value["data"]:
        yield from _unlike(item, one, f"{at}.data[]", depth)


def _unlike_named(name: str, value: Any, at: str, depth: int) -> Iterator[str]:
    cls = getattr(stripe, name, None)
    if cls is None:
        yield f"{at}: the SDK has no {name}"
    else:
        yield from _unlike_class(cls, value, at, depth)


def unlike_document(schemas: dict[str, Any], doc: dict[str, Any]) -> list[str]:
    """Where an object lacks what Stripe's OpenAPI document requires, or has it null."""
    return list(_lacks(schemas, {"$ref": f"/{doc['object']}"}, doc, doc["object"], 0))


def _lacks(schemas: dict[str, Any], schema: Any, value: Any, at: str, depth: int) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if value is None or depth > DEPTH_MAX:
        return
    if "anyOf" in schema:
        wrong = [list(_lacks(schemas, it, value, at, depth + 1)) for it in schema["anyOf"]]
        if all(wrong):
            yield min(wrong, key=len)[0]
        return
    wanted = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, wanted.get(schema.get("type"), object)):
        yield f"{at} is {value!r}, not {schema['type']}"
        return
    if isinstance(value, list):
        for item in value:
            yield from _lacks(schemas, schema["items"], item, f"{at}[]", depth + 1)
    if isinstance(value, dict):
        yield from _lacks_fields(schemas, schema, value, at, depth)


def _lacks_fields(
    schemas: dict[str, Any], schema: Any, value: dict[str, Any], at: str, depth: int
) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name} is missing"
        elif value[name] is None and not known[name].get("nullable"):
            yield f"{at}.{name} is null"
    for name in value.keys() & known.keys():
        yield from _lacks(schemas, known[name], value[name], f"{at}.{name}", depth + 1)
