"""One association that a peer opened to us, from its first byte to its last, in the thread that calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.errors import PeerError, SafelightError
from safelight.core.names import AETitle, BadAETitle
from safelight.gateway.dicom.connection import Connection
from safelight.gateway.dicom.conversation import Conversation, Patience, Service, Services, Tidings, no_services
from safelight.gateway.dicom.ports import (
    Admission,
    AssociationFacts,
    CallerSeen,
    Intake,
    IntakeSession,
    Observer,
    Occasion,
    Refusal,
    StoreCommand,
)
from safelight.gateway.dicom.reception import DroppingSink, Reception
from safelight.gateway.dicom.statuses import SUCCESS, UNRECOGNIZED_OPERATION
from safelight.gateway.dicom.storage_classes import carries_instances
from safelight.wire.dicom.dimse import ANSWER_BIT, Command, CommandField
from safelight.wire.dicom.events import (
    Aborted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    DataSetReceived,
    Happening,
    ReleaseRequested,
)
from safelight.wire.dicom.faults import LimitExceeded
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import ChooseTransferSyntax, answer_request, first_proposed
from safelight.wire.dicom.pdu import AssociateReject, AssociateRequest, PresentationContext
from safelight.wire.dicom.uids import (
    APPLICATION_CONTEXT,
    COMMITMENT_PUSH,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from safelight.wire.dicom.upper_layer_table import State

_TIDINGS_EVERY: Final = timedelta(seconds=0.25)
IDENTIFIER_SYNTAXES: Final = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)


class UnexpectedAnswer(PeerError):
    """A peer answered something that we did not ask on this association."""

    code: ClassVar[str] = "gateway.unexpected-answer"
    hint: ClassVar[str] = "The peer mixed up its associations; look at its log at this moment."


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How we treat whoever opens an association."""

    limits: Limits = field(default_factory=Limits)
    artim: timedelta = timedelta(seconds=30)
    idle: timedelta = timedelta(seconds=60)
    """The longest silence within and between messages."""
    whole_pdu: timedelta = timedelta(seconds=120)
    """The longest a peer may take over one PDU, however steadily it drips."""
    window_max: int = 32
    choose: ChooseTransferSyntax = first_proposed
    supports: Callable[[str], bool] = carries_instances


@dataclass(frozen=True, slots=True)
class House:
    """What stands behind the door."""

    intake: Intake
    admission: Admission
    observer: Observer
    services: Services = no_services


class ServedAssociation:
    """Speaks with one peer until the association is over."""

    def __init__(
        self,
        connection: Connection,
        host: str,
        house: House,
        settings: ServiceSettings,
        take_place: Callable[[], bool],
    ) -> None:
        self.connection = connection
        self._machine = connection.machine
        self._host = host
        self._house = house
        self._settings = settings
        self._take_place = take_place
        self._reception = Reception(connection, self._open_session, self._note_store)
        self._request: AssociateRequest | None = None
        self._facts: AssociationFacts | None = None
        self._stop_wanted = False
        self._services: Mapping[str, Service] = {}
        self._sink = MemorySink()
        self._is_performing = False
        self._postponed: list[tuple[DataSetReceived | CommandReceived, bytes]] = []
        self._tidings: list[Tidings] = []

    def run(self) -> None:
        """Serve until the association is over. Whatever goes wrong here ends this association only."""
        try:
            self._machine.transport_opened()
            self._serve()
        except SafelightError as error:
            self._give_up(error)
        except OSError as error:
            self._seen(Occasion.ABORTED, error=type(error).__name__)
        except Exception as defect:  # noqa: BLE001  # The one place of this door: a defect must not close the door.
            self._seen(Occasion.ABORTED, error=f"core.defect {type(defect).__name__}")
            self._abort()
        finally:
            for one in self._tidings:
                one.let_go()
            try:
                self._reception.close()
            except SafelightError as error:
                self._seen(Occasion.ABORTED, error=str(error))
            finally:
                self.connection.close(self._settings.artim)

    @property
    def is_resting(self) -> bool:
        """Whether the peer is between two messages, so that a stop loses nothing."""
        return not (self._machine.is_amid_message or self._reception.has_unanswered or self._is_performing)

    def stop_after_message(self) -> None:
        """Have the association end as soon as the peer is between two messages. Called by another thread."""
        self._stop_wanted = True
        if self.is_resting:
            self.connection.interrupt()

    def _serve(self) -> None:
        settings, reception = self._settings, self._reception
        while True:
            if reception.has_unanswered:
                # More requests may be here already: they share the commit. Nobody is kept waiting for one that is not.
                happened = self.connection.event_at_hand(settings.idle, settings.whole_pdu)
                if happened is None:
                    reception.answer_all()
                    continue
            else:
                if self._stop_wanted and self.is_resting:
                    self._seen(Occasion.ABORTED, error="gateway.stopping")
                    self._abort()
                    return
                happened = self._next_event()
            if happened is None or self._is_over_after(happened):
                return

    def _next_event(self) -> Happening | None:
        settings = self._settings
        if self._request is None:
            return self.connection.event(settings.artim, settings.artim)
        if self._tidings:
            self._tell_tidings()
        return self.connection.event(settings.idle, settings.whole_pdu)

    def _tell_tidings(self) -> None:
        """While the peer is silent, and for no longer than it may be, say what services have to say later."""
        for _ in range(int(self._settings.idle / _TIDINGS_EVERY)):
            if not self._tidings or self._stop_wanted or self._machine.has_unread:
                return
            if self.connection.wait_for_more(_TIDINGS_EVERY):
                return
            self._is_performing = True
            self._tidings = [one for one in self._tidings if not one.deliver()]
            self._is_performing = False
            self._work_off()

    def _is_over_after(self, happened: Happening) -> bool:
        if isinstance(happened, CommandReceived):
            self._take_command(happened)
        elif isinstance(happened, DataSetReceived):
            self._take_data_set(happened)
        elif isinstance(happened, AssociationRequested):
            return not self._admit(happened.request)
        elif isinstance(happened, ReleaseRequested):
            self._reception.answer_all()
            self._machine.answer_release()
            self._seen(Occasion.RELEASED)
            return True
        elif isinstance(happened, AssociationRejected):
            self._seen(Occasion.REFUSED, error=str(happened.error or ""))
            return True
        elif isinstance(happened, Aborted):
            self._seen(Occasion.ABORTED, error=str(happened.error or ""))
            return True
        return False

    def _admit(self, request: AssociateRequest) -> bool:
        self._request = request
        refusal = self._refusal(request)
        if refusal is not None:
            self._machine.reject(AssociateReject(*refusal.value))
            self._seen(Occasion.REFUSED, error=refusal.name)
            return False
        settings = self._settings
        assert self._facts is not None
        self._services = self._house.services(self._facts)
        accept = answer_request(
            request,
            limits=settings.limits,
            choose=self._choose,
            # Whoever retrieves by C-GET takes the instances that we store over its own association.
            # An archive that answers our request for commitment is its SCP.
            scp_role=lambda sop_class: (
                bool(self._services) and (carries_instances(sop_class) or sop_class == COMMITMENT_PUSH)
            ),
            window_max=settings.window_max,
            supports=lambda sop_class: sop_class in self._services or settings.supports(sop_class),
        )
        self._machine.accept(accept)
        self._seen(
            Occasion.ASSOCIATED,
            sop_classes=tuple(c.abstract_syntax for c in request.contexts),
            transfer_syntaxes=tuple(dict.fromkeys(s for c in request.contexts for s in c.transfer_syntaxes)),
        )
        return True

    def _choose(self, context: PresentationContext) -> str | None:
        if context.abstract_syntax not in self._services:
            return self._settings.choose(context)
        return next((one for one in context.transfer_syntaxes if one in IDENTIFIER_SYNTAXES), None)

    def _refusal(self, request: AssociateRequest) -> Refusal | None:
        if request.application_context != APPLICATION_CONTEXT:
            return Refusal.APPLICATION_CONTEXT_NOT_SUPPORTED
        try:
            calling = AETitle.parse(request.calling)
        except BadAETitle:
            return Refusal.CALLING_NOT_RECOGNIZED
        try:
            called = AETitle.parse(request.called)
        except BadAETitle:
            return Refusal.CALLED_NOT_RECOGNIZED
        refusal = self._house.admission.accept(calling, called, self._host)
        if refusal is None and not self._take_place():
            refusal = Refusal.LOCAL_LIMIT_EXCEEDED
        user = request.user
        self._facts = AssociationFacts(
            calling, called, self._host, user.implementation_class, user.implementation_version
        )
        return refusal

    def _take_command(self, received: CommandReceived) -> None:
        command = received.command
        if command.field == CommandField.C_STORE_RQ:
            self._reception.begin(received)
            return
        self._reception.answer_all()
        if not command.is_request:
            raise UnexpectedAnswer(command=command.field)
        if command.has_data_set:
            self._gather(received)
        elif command.field == CommandField.C_ECHO_RQ:
            self._answer(received, SUCCESS)
            self._seen(Occasion.ECHOED)
        elif command.field != CommandField.C_CANCEL_RQ:
            self._perform(received, b"")

    def _take_data_set(self, received: DataSetReceived) -> None:
        if received.command.field == CommandField.C_STORE_RQ:
            self._reception.complete(received)
        else:
            self._perform(received, self._sink.data)

    def _gather(self, received: CommandReceived) -> None:
        bytes_max = self._settings.limits.identifier_bytes_max
        self._sink = MemorySink()
        if received.context.abstract_syntax in self._services:
            self._machine.receive_into(self._sink, bytes_max - sum(len(data) for _, data in self._postponed))
        else:
            self._machine.receive_into(DroppingSink(), bytes_max)

    def _perform(self, received: CommandReceived | DataSetReceived, data: bytes) -> None:
        """Have a service answer a request, and then those that came meanwhile."""
        self._postponed.append((received, data))
        if self._is_performing:
            if len(self._postponed) > self._settings.window_max:
                raise LimitExceeded(limit="window_max", value=self._settings.window_max)
            return
        self._work_off()

    def _work_off(self) -> None:
        settings, waiting = self._settings, self._postponed
        assert self._facts is not None
        self._is_performing = True
        while waiting:
            request, identifier = waiting.pop(0)
            service = self._services.get(request.context.abstract_syntax)
            if service is None:
                self._answer(request, UNRECOGNIZED_OPERATION)
                continue
            conversation = Conversation(
                self.connection,
                request,
                identifier,
                self._facts,
                Patience(settings.idle, settings.whole_pdu),
                self._hear,
                self._note_service(request),
            )
            service.perform(conversation)
            self._tidings += conversation.later
            self._reception.answer_all()
        self._is_performing = False

    def _hear(self, happened: CommandReceived | DataSetReceived) -> None:
        """Take what a peer says while a service answers it: stores are taken in, other requests wait their turn."""
        if isinstance(happened, CommandReceived):
            self._take_command(happened)
        else:
            self._take_data_set(happened)
            self._reception.answer_all()

    def _note_service(self, request: CommandReceived | DataSetReceived) -> Callable[[Occasion, int, str], None]:
        def note(occasion: Occasion, status: int, error: str) -> None:
            self._seen(occasion, sop_classes=(request.context.abstract_syntax,), status=status, error=error)

        return note

    def _answer(self, received: CommandReceived | DataSetReceived, status: int) -> None:
        command = received.command
        answer = Command(
            command.field | ANSWER_BIT, responding_to=command.message_id, sop_class=command.sop_class, status=status
        )
        self._machine.send(received.context.context_id, answer)

    def _open_session(self) -> IntakeSession:
        assert self._facts is not None
        return self._house.intake.open(self._facts)

    def _note_store(self, store: StoreCommand, status: int, error: SafelightError | None) -> None:
        self._seen(
            Occasion.STORED if error is None else Occasion.STORE_FAILED,
            sop_classes=(store.sop_class,),
            transfer_syntaxes=(store.transfer_syntax,),
            sop_instance=store.sop_instance,
            status=status,
            error=str(error or ""),
        )

    def _give_up(self, error: SafelightError) -> None:
        self._seen(Occasion.ABORTED, error=str(error))
        if self._machine.state in (State.STA2, State.STA13):
            self._machine.artim_expired()
        else:
            self._abort()

    def _abort(self) -> None:
        if self._machine.state not in (State.STA1, State.STA2, State.STA13):
            self._machine.abort()

    def _seen(
        self,
        occasion: Occasion,
        *,
        sop_classes: tuple[str, ...] = (),
        transfer_syntaxes: tuple[str, ...] = (),
        sop_instance: str = "",
        status: int | None = None,
        error: str = "",
    ) -> None:
        request = self._request
        self._house.observer.observe(
            CallerSeen(
                occasion=occasion,
                calling=request.calling if request else "",
                called=request.called if request else "",
                host=self._host,
                implementation_class=request.user.implementation_class if request else "",
                implementation_version=request.user.implementation_version if request else "",
                sop_classes=sop_classes,
                transfer_syntaxes=transfer_syntaxes,
                sop_instance=sop_instance,
                status=status,
                error=error,
            )
        )
