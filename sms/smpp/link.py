"""A link to a carrier's SMSC: connects, binds, keeps the window, comes back after every loss."""

import asyncio
import random as random_module
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from carriers.model.carrier import SmppLink
from sms.smpp.connection import Connection
from sms.smpp.constants import CommandStatus, EsmClass, status_text
from sms.smpp.errors import FieldError, LinkFull
from sms.smpp.events import Answered, Bound, Closed, Event, Lost, Received
from sms.smpp.metrics import COLLECTOR, LinkTotals
from sms.smpp.pdu import DataSm, DeliverSm, DeliverSmResp, SubmitSm, SubmitSmResp
from sms.smpp.session import MAX_UNANSWERED, Role, Session, Timers
from sms.smpp.states import REQUESTS, BindType
from telephony.kernel.clock import Clock
