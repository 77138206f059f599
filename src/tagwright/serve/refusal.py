"""An answer that says no: the status, one sentence, and the place."""

from __future__ import annotations

__all__ = ["RefusalError"]


class RefusalError(Exception):
    """A request that gets no entities.

    Attributes:
        status: of HTTP.
        code: what programs look at: lower-case words joined by underscores, `queue_full`.
        message: what people read: one sentence that names the value and the mend.
        place: where in the request, as in `texts[3]`; None where it is the whole.
        retry_after: seconds after which to try again; None where that would not help.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        place: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.place = place
        self.retry_after = retry_after
