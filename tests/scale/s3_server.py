"""A small S3 server for tests: objects of buckets in memory, on a thread of the standard library's HTTP server.

It answers what pyarrow's client asks for: HEAD, GET with ranges, PUT, copies, multipart uploads, lists, deletes of one
and of many. Signatures are not checked. An object appears when its upload ends, whole, as in S3.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

__all__ = ["S3Server", "s3_server"]

_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
_ISO = "2026-01-01T00:00:00.000Z"


class S3Server(ThreadingHTTPServer):
    """The server.

    Attributes:
        objects: the bytes of each object, by `bucket/key`.
        uploads: the parts of multipart uploads that have not ended, by their id.
        asked: the method and path of every request.
        before: is called with the method and path of a request; what it returns is the status to answer with instead,
            if anything.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        self.lock = threading.Lock()

    def address(self, path: str) -> str:
        """Return the address of a folder or an object."""
        return f"s3://{path}?endpoint_override=127.0.0.1:{self.server_port}&scheme=http&region=us-east-1"

    def under(self, prefix: str) -> dict[str, bytes]:
        """Return the objects whose name begins so, by the rest of their name; without markers of folders."""
        with self.lock:
            return {
                name[len(prefix) :]: data
                for name, data in sorted(self.objects.items())
                if name.startswith(prefix) and not name.endswith("/")
            }


@contextmanager
def s3_server(*buckets: str) -> Iterator[S3Server]:
    """Serve some buckets until the block ends."""
    with S3Server() as server:
        server.objects |= {f"{bucket}/": b"" for bucket in buckets}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):  # a client that was killed
            self.close_connection = True

    def _begin(self) -> bool:
        split = urlsplit(self.path)
        self.name = unquote(split.path).lstrip("/")
        self.query = {key: values[0] for key, values in parse_qs(split.query, keep_blank_values=True).items()}
        self.body = self._read_body()
        self.server.asked.append((self.command, self.name))
        status = self.server.before(self.command, self.name)
        if status is not None:
            self._answer(status, f"<Error><Code>Test{status}</Code><Message>no</Message></Error>")
            return False
        return True

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b"".join(self._chunks())
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if len(data) < int(self.headers.get("Content-Length") or 0):
                raise ConnectionError("the client broke off")
        if "STREAMING" not in self.headers.get("x-amz-content-sha256", ""):
            return data
        plain, place = b"", 0
        while True:  # chunks of its own, with checksums behind them
            end = data.index(b"\r\n", place)
            size = int(data[place:end].split(b";")[0], 16)
            if not size:
                return plain
            plain += data[end + 2 : end + 2 + size]
            place = end + 4 + size

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)  # a client that broke off sends no number
            yield self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return

    def _answer(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if isinstance(body, str) and body:
            self.send_header("Content-Type", "application/xml")
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _missing(self) -> None:
        self._answer(404, "" if self.command == "HEAD" else "<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        if not self._begin():
            return
        bucket, _, key = self.name.partition("/")
        with self.server.lock:
            data = self.server.objects.get(self.name if key else f"{bucket}/")
        if data is None:
            self._missing()
        else:
            self._answer(
                200,
                Content_Length=str(len(data)),
                ETag=_etag(data),
                Last_Modified=_DATE,
                Accept_Ranges="bytes",
            )

    def do_GET(self) -> None:
        if not self._begin():
            return
        bucket, _, key = self.name.partition("/")
        if "list-type" in self.query or (not key and "uploads" not in self.query):
            self._list(bucket)
            return
        with self.server.lock:
            data = self.server.objects.get(self.name)
        if data is None:
            self._missing()
            return
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes="):
            self._answer(200, data, ETag=_etag(data), Last_Modified=_DATE)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last) if last and first else len(data) - 1, len(data) - 1)
        if begin >= len(data):
            self._answer(416, "<Error><Code>InvalidRange</Code></Error>")
            return
        self._answer(
            206,
            data[begin : end + 1],
            Content_Range=f"bytes {begin}-{end}/{len(data)}",
            ETag=_etag(data),
            Last_Modified=_DATE,
        )

    def _list(self, bucket: str) -> None:
        with self.server.lock:
            if f"{bucket}/" not in self.server.objects:
                self._answer(404, "<Error><Code>NoSuchBucket</Code></Error>")
                return
            names = sorted(
                name[len(bucket) + 1 :] for name in self.server.objects if name.startswith(f"{bucket}/")
            )
            sizes = {name: len(self.server.objects[f"{bucket}/{name}"]) for name in names}
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        after = self.query.get("continuation-token") or self.query.get("start-after") or ""
        most = int(self.query.get("max-keys", 1000))
        found: dict[str, str] = {}
        for name in names:
            if not name or not name.startswith(prefix):
                continue
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                found[folder] = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            else:
                found[name] = (
                    f"<Contents><Key>{escape(name)}</Key><Size>{sizes[name]}</Size><LastModified>{_ISO}"
                    "</LastModified><ETag>x</ETag><StorageClass>STANDARD</StorageClass></Contents>"
                )
        shown = [name for name in sorted(found) if name > after]
        page = shown[:most]
        more = len(shown) > len(page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self._answer(
            200,
            f"<?xml version='1.0'?><ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{''.join(found[name] for name in page)}</ListBucketResult>",
        )

    def do_PUT(self) -> None:
        if not self._begin():
            return
        if "uploadId" in self.query:
            with self.server.lock:
                parts = self.server.uploads.get(self.query["uploadId"])
                if parts is not None:
                    parts[int(self.query["partNumber"])] = self.body
            if parts is None:
                self._answer(404, "<Error><Code>NoSuchUpload</Code></Error>")
            else:
                self._answer(200, ETag=_etag(self.body))
            return
        if source := self.headers.get("x-amz-copy-source"):
            with self.server.lock:
                data = self.server.objects.get(unquote(source).lstrip("/"))
                if data is not None:
                    self.server.objects[self.name] = data
            if data is None:
                self._missing()
            else:
                body = f"<CopyObjectResult><ETag>{_etag(data)}</ETag></CopyObjectResult>"
                self._answer(200, body)
            return
        with self.server.lock:
            self.server.objects[self.name if "/" in self.name else f"{self.name}/"] = self.body
        self._answer(200, ETag=_etag(self.body))

    def do_POST(self) -> None:
        if not self._begin():
            return
        bucket, _, key = self.name.partition("/")
        if "uploads" in self.query:
            upload = uuid.uuid4().hex
            with self.server.lock:
                self.server.uploads[upload] = {}
            self._answer(
                200,
                f"<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
                f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>",
            )
        elif "uploadId" in self.query:
            with self.server.lock:
                parts = self.server.uploads.pop(self.query["uploadId"], None)
                if parts is not None:
                    self.server.objects[self.name] = b"".join(parts[number] for number in sorted(parts))
            if parts is None:
                self._answer(404, "<Error><Code>NoSuchUpload</Code></Error>")
                return
            self._answer(
                200,
                f"<CompleteMultipartUploadResult><Location>{quote(self.name)}</Location><Bucket>{bucket}</Bucket>"
                f"<Key>{escape(key)}</Key><ETag>x</ETag></CompleteMultipartUploadResult>",
            )
        elif "delete" in self.query:
            keys = [
                each.text or ""
                for each in ElementTree.fromstring(self.body).iter()
                if each.tag.rpartition("}")[2] == "Key"
            ]
            with self.server.lock:
                for each in keys:
                    self.server.objects.pop(f"{bucket}/{each}", None)
            deleted = "".join(f"<Deleted><Key>{escape(each)}</Key></Deleted>" for each in keys)
            self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>")
        else:
            self._answer(400, "<Error><Code>Unknown</Code></Error>")

    def do_DELETE(self) -> None:
        if not self._begin():
            return
        with self.server.lock:
            if "uploadId" in self.query:
                self.server.uploads.pop(self.query["uploadId"], None)
            else:
                self.server.objects.pop(self.name, None)
        self._answer(204)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
