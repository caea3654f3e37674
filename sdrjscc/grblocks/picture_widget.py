"""A Qt widget that shows the latest of many pictures, scaled to fit, with a title and a caption."""

from threading import Lock
from typing import Any

from PyQt5.QtCore import QRect, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QImage, QPainter, QPalette
from PyQt5.QtWidgets import QSizePolicy, QWidget

from sdrjscc.grblocks.pdu import Array

_PAUSE_MS = 40  # no more pictures a second than an eye follows


class PictureWidget(QWidget):
    """Title, picture and caption.

    Attributes:
        image: what is shown, at its own size; ``None`` before the first picture.
        caption: what stands below, two lines.
    """

    _arrived = pyqtSignal()

    def __init__(self, title: str) -> None:
        """Build it, in the thread of the window."""
        super().__init__()
        self.image: QImage | None = None
        self.caption = ""
        self._title, self._lock = title, Lock()
        self._latest: tuple[QImage, str] | None = None
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.setMinimumSize(160, 160)
        self._arrived.connect(self._wait)

    def sizeHint(self) -> QSize:  # noqa: N802 Qt's name
        """Room for a picture of 256x256."""
        return QSize(288, 320)

    def show_picture(self, pixels: Array, caption: str) -> None:
        """Show a picture soon; from any thread. Of those that come faster, the latest is shown.

        Args:
            pixels: uint8 ``[H, W, 3]``.
            caption: stands below, two lines.
        """
        height, width = pixels.shape[:2]
        image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format_RGB888).copy()
        with self._lock:
            waiting, self._latest = self._latest is not None, (image, caption)
        if not waiting:
            self._arrived.emit()

    def picture_place(self) -> QRect:
        """Where in the widget the picture is."""
        room = self.rect().adjusted(4, self._line(), -4, -2 * self._line())
        if self.image is None:
            return room
        place = QRect(
            room.topLeft(), self.image.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
        )
        place.moveCenter(room.center())
        return place

    def paintEvent(self, event: Any) -> None:  # noqa: N802 Qt's name
        """Draw all of it."""
        painter, place, line = QPainter(self), self.picture_place(), self._line()
        painter.setRenderHint(QPainter.SmoothPixmapTransform)
        painter.setPen(self.palette().color(QPalette.WindowText))
        self._text(painter, place.top() - line, self._title)
        if self.image is not None:
            painter.drawImage(place, self.image)
            for number, text in enumerate(self.caption.split("\n")):
                self._text(painter, place.bottom() + 1 + number * line, text)

    def _line(self) -> int:
        return int(self.fontMetrics().height()) + 4

    def _text(self, painter: QPainter, top: int, text: str) -> None:
        # a name is what somebody else wrote
        plain = "".join(one if one.isprintable() else " " for one in text)
        shown = self.fontMetrics().elidedText(plain, Qt.TextElideMode.ElideMiddle, self.width() - 8)
        painter.drawText(QRect(0, top, self.width(), self._line()), Qt.AlignmentFlag.AlignCenter, shown)

    def _wait(self) -> None:
        QTimer.singleShot(_PAUSE_MS, self._take)

    def _take(self) -> None:
        with self._lock:
            latest, self._latest = self._latest, None
        if latest is not None:
            self.image, self.caption = latest
            self.update()
