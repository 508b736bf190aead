"""BU-3DFE's names, levels and counts, on a generated tree with the owner's file names."""

import pytest

from ifgan.data.readers import read
from ifgan.data.readers.bu3dfe import SUBJECTS
from ifgan.errors import InputError

CODES = ("AN", "DI", "FE", "HA", "SA", "SU")
OTHER_FILES = ("F3D.wrl", "F3D.bnd", "F3D.bmp", "RAW.wrl", "RAW.pse", "RAW.png")


def tree(root, subjects, ending="bmp", ethnicity="WH"):
    """Empty files with the owner's names, meshes beside the textures of the first two subjects: a reader opens none."""
    for subject in subjects:
        (root / subject).mkdir(parents=True)
        for code, level in [(c, f"{n:02d}") for c in CODES for n in range(1, 5)] + [("NE", "00")]:
            (root / subject / f"{subject}_{code}{level}{ethnicity}_F2D.{ending}").touch()
            for other in OTHER_FILES if subject in subjects[:2] else ():
                (root / subject / f"{subject}_{code}{level}{ethnicity}_{other}").touch()
    return root


def test_a_full_copy_gives_the_papers_1200_pictures_and_nothing_to_say(tmp_path):
    reading = read("bu3dfe", tree(tmp_path, SUBJECTS))
    pictures = list(reading.items)
    assert len(pictures) == reading.total == reading.expected["pictures"] == 1200
    assert len({p.name for p in pictures}) == 1200
    assert {p.intensity for p in pictures} == {"03", "04"}
    assert reading.expected["expressions"] == dict.fromkeys(
        ("anger", "disgust", "fear", "happiness", "sadness", "surprise"), 200
    )
    assert reading.notes == ()


def test_all_levels_and_neutral_where_asked(tmp_path):
    tree(tmp_path, ["F0001"])
    assert len(list(read("bu3dfe", tmp_path, levels="all").items)) == 24
    assert len(list(read("bu3dfe", tmp_path, levels="all", neutral=True).items)) == 25
    assert {p.intensity for p in read("bu3dfe", tmp_path, levels="4").items} == {"04"}


def test_name_tells_subject_expression_gender_and_ethnicity(tmp_path):
    tree(tmp_path, ["M0007"], ending="png", ethnicity="AE")
    picture = next(p for p in read("bu3dfe", tmp_path).items if p.name == "M0007_HA04")
    assert (picture.subject, picture.expression, picture.gender) == ("M0007", "happiness", "male")
    assert (picture.ethnicity, picture.dataset) == ("East-Asian", "bu3dfe")
    assert picture.source == "M0007/M0007_HA04AE_F2D.png"


def test_missing_extra_and_odd_files_are_named(tmp_path):
    tree(tmp_path, [*SUBJECTS[1:], "F0099"])
    (tmp_path / "F0002" / "F0002_AN03WH_F2D.bmp").unlink()
    (tmp_path / "F0003" / "F0003_XX03WH_F2D.bmp").touch()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "F0003_AN03WH_F2D.png").touch()
    notes = "\n".join(read("bu3dfe", tmp_path).notes)
    assert "missing subjects: F0001" in notes
    assert "missing textures: F0002 anger 03" in notes
    assert "BU-3DFE doesn't have: F0099" in notes
    assert "F0003_XX03WH_F2D.bmp" in notes
    assert "the same texture again: mirror/F0003_AN03WH_F2D.png" in notes


def test_the_synthetic_set_is_its_own_data_set_with_its_ground_truth(tmp_path):
    tree(tmp_path, ["F0001", "F0002"], ending="png")
    (tmp_path / "synthesis.json").write_text('{"seed": 0, "subjects": 3}')
    (tmp_path / "ground_truth.csv").write_text(
        "image,age,gender,ethnicity\nF0001/F0001_AN04WH_F2D.png,41,female,BL\n", encoding="utf-8"
    )
    reading = read("bu3dfe", tmp_path)
    picture = next(p for p in reading.items if p.name == "F0001_AN04")
    assert reading.dataset == picture.dataset == "synthetic"
    assert (picture.age, picture.ethnicity) == ("41", "Black")
    assert reading.expected["pictures"] == 36  # of the three subjects that synthesis.json states


@pytest.mark.parametrize(
    ("options", "word"),
    [({"levels": "05"}, "'05'"), ({"levels": ""}, "''"), ({"levels": "03,x"}, "'x'")],
)
def test_unknown_level(tmp_path, options, word):
    with pytest.raises(InputError, match=word):
        read("bu3dfe", tree(tmp_path, ["F0001"]), **options)


@pytest.mark.parametrize("name", ["F001/Angry/000.jpg", "empty.txt"])  # BU-4DFE; nothing at all
def test_wrong_root(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="F0001_AN04WH_F2D"):
        read("bu3dfe", tmp_path)


def test_unknown_set_option_and_root(tmp_path):
    with pytest.raises(InputError, match="'nope' is no known data set"):
        read("nope", tmp_path)
    with pytest.raises(InputError, match=r"levels: the set folder has no such option"):
        read("folder", tmp_path, levels="03")
    with pytest.raises(InputError, match="no such folder"):
        read("bu3dfe", tmp_path / "absent")


@pytest.mark.slow
def test_the_commands_on_a_full_copy(tmp_path, build, drawn, capsys):
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    root = tree(tmp_path / "BU-3DFE", SUBJECTS)
    for person, subject in enumerate(SUBJECTS):
        for code, name in zip(CODES, names, strict=True):
            for level in (3, 4):
                picture = build.photograph(drawn, person, name, 160, level=level / 4, margin=40)
                build.save(root / subject / f"{subject}_{code}{level:02d}WH_F2D.bmp", picture)
    text = build.prepared_and_checked(capsys, "bu3dfe", str(root), "--out", str(tmp_path / "set"))
    assert "bu3dfe: 1200 images of 100 people" in text
    assert ", ".join(f"{name} 200" for name in names) in text


def test_rendered_people_beside_real_ones_are_refused(tmp_path):
    """Both have an F0001, who is not one person."""
    tree(tmp_path / "raw", ["F0001"])
    tree(tmp_path / "BU3DFE", ["F0001"])
    (tmp_path / "raw" / "synthesis.json").write_text('{"seed": 0, "subjects": 1}')
    with pytest.raises(InputError, match="raw: rendered people; prepare them by themselves"):
        read("bu3dfe", tmp_path)


def test_people_behind_links_are_found_once(tmp_path):
    tree(tmp_path / "far", ["F0001", "F0002"])
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "here").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "round").symlink_to(tmp_path / "root")
    pictures = list(read("bu3dfe", tmp_path / "root").items)
    assert {p.subject for p in pictures} == {"F0001", "F0002"}
    assert len(pictures) == 24 and not any("again" in note for note in read("bu3dfe", tmp_path / "root").notes)
