"""An RTSP server for tests, run with the system's Python, which has GStreamer's bindings.

    /usr/bin/python3 rtsp_server.py --port 8554 [--user ann --password secret [--basic]] [--file CLIP.mp4]

    /test   a live test picture (colour bars and moving noise), H.264, one key frame per second
    /file   the H.264 of the file over and over, not encoded again, at its own speed

It says `READY <port>` once it accepts connections. It listens on the loopback interface only.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  (the versions must be chosen first)

_ROLE = "viewer"
_CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
_PAYLOAD = "rtph264pay name=pay0 pt=96 config-interval=1"


@dataclass(frozen=True)
class Unit:
    """One coded picture, with its times in nanoseconds from the start of the file."""

    data: bytes
    pts: int
    dts: int


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", default="1280x720", help="of /test, width x height")
    parser.add_argument("--fps", type=int, default=25, help="of /test")
    parser.add_argument("--file", type=Path, help="MP4 or MOV with H.264, for /file")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--basic", action="store_true", help="basic login instead of digest")
    return parser.parse_args()


def factory(launch: str, *, login: bool) -> GstRtspServer.RTSPMediaFactory:
    """A mount: one pipeline that all its viewers share."""
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {launch} )")
    made.set_shared(True)
    if login:
        allowed = GstRtspServer.RTSPPermissions()
        for right in ("access", "construct"):
            allowed.add_permission_for_role(_ROLE, f"media.factory.{right}", True)
        made.set_permissions(allowed)
    return made


def test_picture(size: str, fps: int) -> str:
    """The pipeline of /test."""
    width, height = size.split("x")
    return (
        f"videotestsrc is-live=true pattern=smpte ! video/x-raw,width={width},height={height},framerate={fps}/1 "
        f"! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} bitrate=2000 ! {_PAYLOAD}"
    )


def units_of(path: Path) -> list[Unit]:
    """Every coded picture of a file, in the order in which it is stored."""
    demuxer = Gst.parse_launch(
        f'filesrc location="{path}" ! qtdemux ! h264parse config-interval=-1 ! {_CAPS} '
        "! appsink name=out sync=false max-buffers=0"
    )
    out = demuxer.get_by_name("out")
    demuxer.set_state(Gst.State.PLAYING)
    units: list[Unit] = []
    while (sample := out.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        units.append(Unit(buffer.extract_dup(0, buffer.get_size()), buffer.pts, buffer.dts))
    demuxer.set_state(Gst.State.NULL)
    if not units:
        sys.exit(f"{path} holds no H.264")
    return units


def loop_for_ever(media: GstRtspServer.RTSPMedia, units: list[Unit]) -> None:
    """Feed a pipeline's `appsrc`; its sink holds every picture back until it is due."""
    start = min(unit.pts for unit in units)
    step = (max(unit.pts for unit in units) - start) // max(1, len(units) - 1)
    length = step * len(units)
    count = 0

    def need(source: Gst.Element, _size: int) -> None:
        nonlocal count
        unit, shift = units[count % len(units)], count // len(units) * length
        buffer = Gst.Buffer.new_wrapped(unit.data)
        buffer.pts, buffer.dts, buffer.duration = unit.pts + shift, unit.dts + shift, step
        count += 1
        source.emit("push-buffer", buffer)

    media.get_element().get_by_name_recurse_up("feed").connect("need-data", need)


def require_login(server: GstRtspServer.RTSPServer, user: str, password: str, *, basic: bool) -> None:
    """Let only this user in."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", _ROLE)
    if basic:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    server.set_auth(auth)


def main() -> None:
    """Serve until killed."""
    asked = arguments()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(asked.port))
    login = asked.user is not None
    if login:
        require_login(server, asked.user, asked.password, basic=asked.basic)
    mounts = server.get_mount_points()
    mounts.add_factory("/test", factory(test_picture(asked.size, asked.fps), login=login))
    if asked.file is not None:
        units = units_of(asked.file)
        looped = factory(f"appsrc name=feed is-live=true format=time caps={_CAPS} ! {_PAYLOAD}", login=login)
        looped.connect("media-configure", lambda _factory, media: loop_for_ever(media, units))
        mounts.add_factory("/file", looped)
    if not server.attach(None):
        sys.exit(f"port {asked.port} is taken")
    sys.stdout.write(f"READY {asked.port}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
