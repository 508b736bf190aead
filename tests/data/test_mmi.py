"""MMI's names, labels and counts on a generated tree of the owner's shape; small videos of drawn faces.

facts/mmi_208_sequences.csv lists the 208 public sequences: names and labels of github.com/donydchen/FMPN-FER,
datasets/MMI (emotion_labels.pkl, test_ids_*.csv).
"""

import csv
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ifgan.data.prepare import prepare
from ifgan.data.readers import READERS
from ifgan.data.readers.base import Rejected, SourcePicture
from ifgan.data.readers.mmi import peak_frames, read_mmi
from ifgan.data.readers.mmi_clips import Clip, list_clips
from ifgan.data.readers.mmi_video import count_frames, frontality, read_frames
from ifgan.data.readers.mmi_xml import Apex, middle_of_apex, read_apexes, read_view
from ifgan.errors import InputError, PictureError
from ifgan.faces.detect import Face
from ifgan.faces.picture import open_picture

FACTS = Path(__file__).parent / "facts" / "mmi_208_sequences.csv"
COUNTS = {"anger": 33, "disgust": 32, "fear": 28, "happiness": 42, "sadness": 32, "surprise": 41}
DUAL_SUBJECTS = ("S001", "S002", "S003", "S005", "S015", "S016")
SHAPE = "mmi-facial-expression-database_download_2019-04-27_05_06_23/Sessions"
HEIGHT, WIDTH, FACE, MARK, STEP = 160, 144, 128, 16, 12


def published():
    with open(FACTS, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def session(root, number, stem, *, emotion="1", view="0", markers=None, video=b"", ending="avi"):
    """A session's folder; None leaves a file or a tag out."""
    folder = root / SHAPE / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    if video is not None:
        (folder / f"{stem}.{ending}").write_bytes(video)
    tag = "" if emotion is None else f'<Metatag Name="Emotion" Value="{emotion}"/>'
    (folder / f"{stem}.xml").write_text(f'<?xml version="1.0"?><Meta><Metatag Name="Site" Value="9"/>{tag}</Meta>')
    if view is not None:
        track = f'<track view="{view}" filename="{stem}.{ending}"><annotation filename="{stem}-oao_aucs.xml"/></track>'
        (folder / "session.xml").write_text(f'<session sessionId="{number}">{track}</session>')
    if markers is not None:
        (folder / f"{stem}-oao_aucs.xml").write_text(action_units(markers))
    return folder


def action_units(units):
    """``{"12": [(1, 0), (20, 1), ...]}``: (frame, type) of every unit."""
    marked = (
        f'<ActionUnit Number="{unit}">' + "".join(f'<Marker Frame="{f}" Type="{t}"/>' for f, t in pairs)
        for unit, pairs in units.items()
    )
    return "<ActionUnitCodes>" + "".join(f"{text}</ActionUnit>" for text in marked) + "</ActionUnitCodes>"


def full_tree(root):
    """The 208 and what surrounds them in a true copy; a listing opens no video, so they are empty."""
    for number, row in enumerate(published(), start=1):
        view = "2" if row["subject"] in DUAL_SUBJECTS else "0"
        session(root, number, f"{row['subject']}-{row['clip']}", emotion=row["xml_code"], view=view)
    session(root, 224, "S002-106", emotion="3", view="2")
    for clip in ("003", "004", "005", "006"):
        session(root, f"3{clip}", f"S021-{clip}", emotion="4", view="1")
    for code in ("7", "8", "9"):
        session(root, f"40{code}", f"S053-02{code}", emotion=code)
    session(root, 501, "S053-099", emotion=None, markers={"12": [(5, 1), (9, 2), (15, 3), (20, 0)]})
    session(root, 502, "S005-001", emotion="4", view=None, ending="jpg")  # a session of pictures
    (root / SHAPE / "502" / "._S005-001.avi").write_bytes(b"\x00\x05\x16\x07")
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return full_tree(tmp_path_factory.mktemp("mmi"))


def split_items(reading):
    items = list(reading.items)
    pictures = [item for item in items if isinstance(item, SourcePicture)]
    return pictures, {item.file.removeprefix(f"{SHAPE}/"): item.reason for item in items if isinstance(item, Rejected)}


# Which clips


def test_a_full_copy_gives_the_papers_208_sequences_of_31_people(whole):
    listing = list_clips(whole)
    assert [(c.subject, c.number, c.expression) for c in listing.clips] == [
        (row["subject"], row["clip"], row["emotion"]) for row in published()
    ]
    assert len(listing.clips) == 208 and len({c.subject for c in listing.clips}) == 31
    assert Counter(c.expression for c in listing.clips) == COUNTS
    assert {c.subject for c in listing.clips if c.view == "2"} == set(DUAL_SUBJECTS)
    assert listing.rejected == []


def test_a_full_copy_leaves_aside_what_is_not_of_the_set_and_says_so(whole):
    reading = read_mmi(whole, peak="middle")
    assert reading.total == reading.expected["pictures"] == 624
    assert reading.expected["subjects"] == 31
    assert reading.expected["expressions"] == {name: 3 * number for name, number in COUNTS.items()}
    assert sorted(reading.notes) == [
        *(f"left aside, 1 clips of emotion {code}: S053-02{code}" for code in "789"),
        "left aside, 1 clips that the public list of 208 leaves out: S002-106",
        "left aside, 1 clips without an emotion: S053-099",
        f"left aside, 1 sessions of images: {SHAPE}/502",
        "left aside, 4 clips in view 1, not frontal: S021-003, S021-004, S021-005, S021-006",
    ]


def test_neutral_adds_one_picture_a_clip(whole):
    reading = read_mmi(whole, neutral=True)
    assert reading.total == reading.expected["pictures"] == 832
    assert reading.expected["expressions"]["neutral"] == 208


def test_missing_extra_and_repeated_clips_are_named(tmp_path):
    rows = [row for row in published() if row["subject"] != "S006" and (row["subject"], row["clip"]) != ("S001", "104")]
    for number, row in enumerate(rows):
        session(tmp_path, number, f"{row['subject']}-{row['clip']}", emotion=row["xml_code"])
    session(tmp_path, 900, "S099-001")
    session(tmp_path, 901, "S001-100")
    notes = read_mmi(tmp_path, peak="middle").notes
    assert "missing subjects: S006" in notes
    assert "missing clips: S001-104, S006-108" in notes
    assert "clips beyond the public list of 208: S099-001" in notes
    assert f"left aside, 1 clips that occur again: {SHAPE}/901/S001-100.avi" in notes


def test_labels_in_doubt_are_rejected_and_lose_no_other_clip(tmp_path):
    session(tmp_path, 1, "S001-100")
    session(tmp_path, 2, "S001-101", view=None)
    (session(tmp_path, 3, "S001-104") / "S001-104.xml").write_text("<Meta><Metatag")
    (session(tmp_path, 4, "S001-105") / "session.xml").write_text("<session><track/></session>")
    (session(tmp_path, 5, "S001-106") / "session.xml").write_bytes(b"")
    session(tmp_path, 6, "S001-107", video=None)
    listing = list_clips(tmp_path)
    assert [clip.name for clip in listing.clips] == ["S001-100"]
    reasons = {item.file.removeprefix(f"{SHAPE}/"): item.reason for item in listing.rejected}
    for file, words in {
        "2/S001-101.avi": "session.xml: no such file",
        "3/S001-104.avi": "S001-104.xml: can't be read as XML",
        "4/S001-105.avi": "session.xml: names no view",
        "5/S001-106.avi": "session.xml: can't be read as XML",
        "6/S001-107.avi": "no such file",
    }.items():
        assert reasons.pop(file).startswith(words)
    assert reasons == {}
    missing = next(note for note in read_mmi(tmp_path, peak="middle").notes if note.startswith("missing clips"))
    assert missing.startswith("missing clips: S001-108, S001-109")  # the rejected ones are there


def test_names_in_upper_case_and_xml_with_a_namespace(tmp_path):
    folder = session(tmp_path, 1, "S001-100", emotion="6", ending="AVI")
    (folder / "S001-100.xml").rename(folder / "S001-100.XML")
    (folder / "session.xml").write_text('<session xmlns="http://mmi"><track view="2"/></session>')
    (clip,) = list_clips(tmp_path).clips
    assert (clip.expression, clip.view, clip.video.name) == ("surprise", "2", "S001-100.AVI")


def test_the_view_is_that_of_the_clips_own_track(tmp_path):
    path = tmp_path / "session.xml"
    path.write_text('<s><track view="1" filename="S001-100.avi"/><track view="0" filename="S001-101.avi"/></s>')
    assert [read_view(path, stem) for stem in ("S001-100", "S001-101", "S001-999")] == ["1", "0", "1"]


@pytest.mark.parametrize(("emotion", "view"), [(None, "0"), ("9", "0"), ("1", "1")])
def test_a_folder_without_a_clip_of_the_set(tmp_path, emotion, view):
    session(tmp_path, 1, "S001-100", emotion=emotion, view=view)
    with pytest.raises(InputError, match="no MMI clip with an emotion"):
        read_mmi(tmp_path)


def test_wrong_root_and_wrong_peak(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_mmi(tmp_path / "absent")
    (tmp_path / "S001" / "100").mkdir(parents=True)
    (tmp_path / "S001" / "100" / "S001_100_00000001.png").touch()  # CK+
    with pytest.raises(InputError, match=r"Sessions/224/S002-105\.avi"):
        read_mmi(tmp_path)
    with pytest.raises(InputError, match="peak: 'onset'; expected apex or middle"):
        read_mmi(tmp_path, peak="onset")


def test_without_pyav_the_extra_is_named(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'pip install "ifgan\[video\]"'):
        read_mmi(whole)


# Which frames


@pytest.mark.parametrize(
    ("apexes", "middle"),
    [
        ([], None),
        ([(12, 30, 40)], 35),
        ([(12, 30, 40), (6, 30, 40), (1, 5, 90)], 35),  # most units, not the longest
        ([(12, 10, 40), (6, 30, 60)], 35),  # where they overlap
        ([(12, 10, 20), (6, 50, 70)], 60),  # never together: the longest
        ([(12, 30, 40), (12, 30, 40), (4, 60, 90)], 75),  # two sides of a unit count once
        ([(12, 90, 10**9)], 95),  # reaches beyond the clip of 100 frames
        ([(12, 300, 400)], None),
        ([(12, -5, 0)], None),
    ],
)
def test_the_middle_of_the_apex(apexes, middle):
    assert middle_of_apex(tuple(Apex(*apex) for apex in apexes), 100) == middle


def test_markers_with_sides_blinks_and_without_an_end(tmp_path):
    path = tmp_path / "S001-100-oao_aucs.xml"
    whole_course = [(1, 0), (20, 1), (30, 2), (40, 3), (50, 0)]
    path.write_text(
        action_units(
            {
                "12": whole_course,
                "L10": whole_course[::-1],  # in any order
                "45": whole_course,  # a blink
                "4": [(1, 0), (20, 1), (30, 2)],  # no end
                "5": [(30, 2), (40, 0)],
                "": whole_course,
                "X": whole_course,
                "6": [("a", 2), ("", 3)],
                "25": [(5, 2), (9, 3), (60, 2), (80, 3)],  # twice
            }
        )
    )
    assert read_apexes(path) == (Apex(12, 30, 40), Apex(10, 30, 40), Apex(25, 5, 9), Apex(25, 60, 80))


@pytest.mark.parametrize(
    ("apexes", "frames", "peak", "expected"),
    [
        ((Apex(12, 30, 40),), 60, "apex", [34, 35, 36]),
        ((Apex(12, 30, 40),), 60, "middle", [29, 30, 31]),
        ((), 61, "apex", [30, 31, 32]),
        (None, 61, "apex", [30, 31, 32]),
        ((Apex(12, 1, 1),), 20, "apex", [1, 2, 3]),
        ((Apex(12, 20, 20),), 20, "apex", [18, 19, 20]),
        ((), 3, "middle", [1, 2, 3]),
        ((), 4, "middle", [1, 2, 3]),
    ],
)
def test_three_peak_frames_within_the_clip(apexes, frames, peak, expected):
    clip = Clip(Path("S001-100.avi"), "S001-100.avi", "S001", "100", "anger", "0", apexes)
    assert list(peak_frames(clip, frames, peak)) == expected


def test_clips_without_an_apex_are_named(tmp_path):
    course = {"12": [(1, 0), (20, 1), (30, 2), (40, 3), (50, 0)]}
    session(tmp_path, 1, "S001-100", markers=course)
    session(tmp_path, 2, "S001-101")
    (session(tmp_path, 3, "S001-104", markers=course) / "S001-104-oao_aucs.xml").write_text("<ActionUnit>")
    notes = read_mmi(tmp_path).notes
    assert "no apex of action units is annotated, the clip's middle is taken: S001-101" in notes
    assert "the file of action units can't be read, the clip's middle is taken: S001-104" in notes
    assert not any("middle" in note for note in read_mmi(tmp_path, peak="middle").notes)


# Videos


def write_video(path, frames, codec="mjpeg", rate=25, **options):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def marked(image, number):
    """The frame's number as the grey of its left upper corner: tells frames apart, and how they lie."""
    image = image.copy()
    image[:MARK, :MARK] = number * STEP
    return image


def mark_of(image):
    return round(float(image[4 : MARK - 4, 4 : MARK - 4].mean()) / STEP)


def face_frames(drawn, frames=12, narrow=1.0):
    """Frames of one drawn person, in the middle of the image; ``narrow`` < 1 squeezes the face as a turn does."""
    face, landmarks = drawn.draw_face(1, FACE, "happiness")
    canvas, _ = drawn.on_canvas([(face, landmarks)], HEIGHT, WIDTH, [((WIDTH - FACE) // 2, (HEIGHT - FACE) // 2)])
    if narrow < 1:
        width = round(WIDTH * narrow)
        squeezed = np.asarray(Image.fromarray(canvas).resize((width, HEIGHT)))
        left = (WIDTH - width) // 2
        canvas = np.pad(squeezed, ((0, 0), (left, WIDTH - width - left), (0, 0)), mode="edge")
    return [marked(canvas, number) for number in range(1, frames + 1)]


def grey(frames=12):
    return [np.full((HEIGHT, WIDTH, 3), 128, np.uint8)] * frames


def beside(left, right):
    return [np.concatenate(pair, axis=1) for pair in zip(left, right, strict=True)]


@pytest.mark.parametrize(
    ("codec", "options"),
    [("mjpeg", {}), ("mpeg4", {}), ("mpeg4", {"bf": "2", "g": "30"}), ("mpeg4", {"rate": 15}), ("mpeg4", {"rate": 24})],
)
def test_frames_are_counted_from_one_in_the_order_of_showing(tmp_path, codec, options):
    path = tmp_path / "a.avi"
    write_video(path, [marked(image, number) for number, image in enumerate(grey(20), start=1)], codec, **options)
    assert count_frames(path) == 20
    frames = read_frames(path, (1, 10, 11, 20))
    assert {number: mark_of(frame) for number, frame in frames.items()} == {1: 1, 10: 10, 11: 11, 20: 20}
    assert all(frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8 for frame in frames.values())
    with pytest.raises(PictureError, match="frame 21 can't be decoded"):
        read_frames(path, (20, 21))


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_a_cut_off_video_says_so(tmp_path, codec):
    path = tmp_path / "a.avi"
    noise = np.random.default_rng(0).integers(0, 256, (20, HEIGHT, WIDTH, 3), dtype=np.uint8)
    content = write_video(path, list(noise), codec)
    path.write_bytes(content[: len(content) * 7 // 10])
    with pytest.raises(PictureError, match=r"is cut off: \d+ of its 20 frames"):
        count_frames(path)
    for part in (b"", content[:100], b"no video at all"):
        path.write_bytes(part)
        with pytest.raises(PictureError, match="can't be decoded") as error:
            count_frames(path)
        assert str(tmp_path) not in str(error.value)


def test_a_profile_is_told_from_a_frontal_face():
    """Landmarks that MTCNN found, with confidence 1 both times, in one rendered head: from the front and in profile."""
    front = ((194.0, 199.0), (274.0, 204.9), (232.5, 246.6), (201.6, 282.4), (260.0, 286.8))
    profile = ((257.4, 198.0), (269.5, 197.1), (296.0, 243.8), (244.6, 281.2), (253.6, 283.4))
    assert frontality(Face((0, 0, 400, 400), front, 1.0)) == 1
    assert frontality(Face((0, 0, 400, 400), profile, 1.0)) < 0.25


@pytest.fixture(scope="module")
def filmed(tmp_path_factory, drawn):
    """Every way a clip is stored, each a session, and clips that can't be used."""
    root = tmp_path_factory.mktemp("filmed")
    face, narrow = face_frames(drawn), face_frames(drawn, narrow=0.4)
    stored = {
        "S031-001": ("0", face),
        "S031-003": ("0", [np.rot90(frame) for frame in face]),
        "S031-004": ("0", [np.rot90(frame, -1) for frame in face]),
        "S001-100": ("2", beside(face, grey())),
        "S001-101": ("2", beside(grey(), face)),
        "S001-104": ("2", beside(narrow, face)),
        "S001-105": ("2", beside(grey(), grey())),
        "S001-106": ("0", grey()),
        "S001-107": ("0", face[:2]),
        "S001-108": ("0", face),
    }
    for number, (stem, (view, frames)) in enumerate(stored.items(), start=1):
        folder = session(root, number, stem, emotion="4", view=view, video=None)
        content = write_video(folder / f"{stem}.avi", frames)
        if stem == "S001-108":
            (folder / f"{stem}.avi").write_bytes(content[: len(content) // 2])
    course = {"12": [(1, 0), (2, 1), (8, 2), (10, 3), (12, 0)]}
    (root / SHAPE / "1" / "S031-001-oao_aucs.xml").write_text(action_units(course))
    return root, face[0]


@pytest.fixture(scope="module")
def read_filmed(filmed):
    return split_items(read_mmi(filmed[0], neutral=True))


def test_faces_come_upright_and_frontal_however_they_are_stored(filmed, read_filmed):
    pictures, _ = read_filmed
    assert {f"{p.subject}-{p.sequence}" for p in pictures} == {
        *("S031-001", "S031-003", "S031-004", "S001-100", "S001-101", "S001-104")
    }
    for picture in pictures:
        assert picture.image.shape == (HEIGHT, WIDTH, 3) and picture.image.flags.c_contiguous
        assert mark_of(picture.image) == int(picture.frame)  # the right frame, with its corner where it belongs
        difference = np.abs(picture.image.astype(int) - filmed[1])[MARK:].mean()
        assert difference < 6, picture.name


def test_three_frames_around_the_peak_and_a_neutral_one(read_filmed):
    by_clip = {}
    for picture in read_filmed[0]:
        by_clip.setdefault(f"{picture.subject}-{picture.sequence}", []).append((picture.frame, picture.expression))
    happy = "happiness"
    assert by_clip["S031-001"] == [("001", "neutral"), ("008", happy), ("009", happy), ("010", happy)]  # its apex
    assert by_clip["S031-003"] == [("001", "neutral"), ("005", happy), ("006", happy), ("007", happy)]  # its middle
    first = read_filmed[0][0]
    assert (first.name, first.dataset, first.source) == (
        "S001_100_001",
        "mmi",
        f"{SHAPE}/4/S001-100.avi frame 1",
    )


def test_a_clip_that_cannot_be_used_is_rejected_with_its_reason(read_filmed):
    assert read_filmed[1] == {
        "7/S001-105.avi": "no frontal face found in its left or right half",
        "8/S001-106.avi": "no face found upright, turned clockwise, turned counter-clockwise",
        "9/S001-107.avi": "has 2 frames; expected 3 or more",
        "10/S001-108.avi": read_filmed[1]["10/S001-108.avi"],
    }
    assert read_filmed[1]["10/S001-108.avi"].startswith("is cut off")


def test_a_first_frame_at_the_peak_is_not_neutral(tmp_path, drawn):
    folder = session(tmp_path, 1, "S031-001", emotion="1", video=None)
    write_video(folder / "S031-001.avi", face_frames(drawn, frames=3))
    pictures, rejected = split_items(read_mmi(tmp_path, neutral=True))
    assert [(p.frame, p.expression) for p in pictures] == [("001", "anger"), ("002", "anger"), ("003", "anger")]
    assert rejected == {"1/S031-001.avi frame 1": "is a peak frame, so the clip has no neutral one"}


def test_prepared_from_clip_to_aligned_face(tmp_path, drawn, monkeypatch):
    monkeypatch.setitem(READERS, "mmi", read_mmi)
    folder = session(tmp_path / "in", 1, "S031-001", emotion="5", video=None)
    write_video(folder / "S031-001.avi", [np.rot90(frame) for frame in face_frames(drawn)])
    session(tmp_path / "in", 2, "S001-100", emotion="5", video=b"broken")
    report = prepare("mmi", tmp_path / "in", tmp_path / "out", workers=1)
    assert report.counts["expressions"] == {"sadness": 3} and report.counts["subjects"] == 1
    assert [item.file for item in report.rejected] == [f"{SHAPE}/2/S001-100.avi"]
    assert "expected 624 images, found 3" in report.text()
    for number in ("005", "006", "007"):
        assert open_picture(tmp_path / "out" / "images" / f"S031_001_{number}.png").shape == (256, 256, 3)


@pytest.mark.slow
def test_the_commands_on_a_full_copy(tmp_path, build, drawn, capsys):
    """Real little videos: five frames, in the dual view two faces, of which the frontal one is taken."""
    root = full_tree(tmp_path / "MMI")
    for number, row in enumerate(published(), start=1):
        person = int(row["subject"][1:])
        frames = [
            build.photograph(drawn, person, row["emotion"], FACE, level=0.6 + 0.1 * k, margin=24, take=number)
            for k in range(5)
        ]
        if row["subject"] in DUAL_SUBJECTS:
            frames = beside(frames, grey_like(frames))
        write_video(root / SHAPE / str(number) / f"{row['subject']}-{row['clip']}.avi", frames)
    text = build.prepared_and_checked(capsys, "mmi", str(root), "--out", str(tmp_path / "set"))
    assert "mmi: 624 images of 31 people" in text
    assert ", ".join(f"{name} {3 * number}" for name, number in COUNTS.items()) in text


def grey_like(frames):
    return [np.full_like(frame, 128) for frame in frames]


@pytest.mark.parametrize("lost", ["S001-100.xml", "session.xml", "S001-100.avi"])
def test_a_whole_copy_counts_where_the_first_one_lacks_a_file(lost, tmp_path):
    for number in (1, 2):
        session(tmp_path, number, "S001-100")
    session(tmp_path, 3, "S001-101")
    whole = [clip.source for clip in list_clips(tmp_path).clips]
    assert [source.rpartition("/")[2] for source in whole] == ["S001-100.avi", "S001-101.avi"]
    (tmp_path / SHAPE / "1" / lost).unlink()
    listing = list_clips(tmp_path)
    assert [clip.source for clip in listing.clips] == [whole[0].replace("/1/", "/2/"), whole[1]]
    assert not listing.rejected
