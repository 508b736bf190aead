"""What differs from image to image and tells nothing: head pose, gaze, light, camera, background."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ifgan.data.synthetic.render import SIDE_PX, SIZE_PX, Camera, Light

_NECK_DM = (0.0, 6.35, 0.2)  # about where a head turns, in the base mesh


@dataclass(frozen=True)
class Scene:
    """``yaw_deg`` > 0 turns to the subject's left, ``pitch_deg`` > 0 up, ``roll_deg`` > 0 to the subject's right
    shoulder; ``gaze`` (sideways, up) in [-1, 1]; ``eye_distance_px`` of a frontal face in the finished image;
    ``blink`` 0 open .. 1 shut; ``background`` (2, 3) linear RGB, top and bottom."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    gaze: tuple[float, float]
    blink: float
    eye_distance_px: float
    distance_dm: float
    eyes_xy_px: tuple[float, float]
    light: Light
    background: tuple[tuple[float, float, float], tuple[float, float, float]]


def draw_scene(rng: np.random.Generator) -> Scene:
    """One image's circumstances: a portrait, so pose and light stay moderate."""
    yaw, pitch, roll = np.clip(rng.normal(0, (5, 3.5, 3)), -12, 12)
    gaze, blink = np.clip(rng.normal(0, (0.25, 0.12)), -0.6, 0.6), np.clip(rng.normal(0.04, 0.05), 0, 0.15)
    middle = (SIZE_PX / 2 + rng.normal(0, 4), SIZE_PX * 0.41 + rng.normal(0, 4))
    wall = rng.uniform(0.03, 0.7) * np.clip(rng.normal(1, 0.15, 3), 0.5, 1.4)
    return Scene(
        yaw_deg=float(yaw),
        pitch_deg=float(pitch),
        roll_deg=float(roll),
        gaze=(float(gaze[0]), float(gaze[1])),
        blink=float(blink),
        eye_distance_px=float(rng.uniform(77, 88)),
        distance_dm=float(rng.uniform(6, 14)),
        eyes_xy_px=(float(middle[0]), float(middle[1])),
        light=_draw_light(rng),
        background=(tuple(wall.tolist()), tuple((wall * rng.uniform(0.4, 1.1)).tolist())),
    )


def _draw_light(rng: np.random.Generator) -> Light:
    azimuth, elevation = np.deg2rad(np.clip(rng.normal(0, 35), -70, 70)), np.deg2rad(rng.uniform(5, 55))
    direction = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    warmth, exposure = rng.normal(0, 0.07), rng.uniform(0.75, 1.15)
    key = np.array([1 + warmth, 1.0, 1 - warmth]) * rng.uniform(0.5, 0.85) * exposure
    fill = np.array([1 - warmth, 1.0, 1 + warmth]) * rng.uniform(0.05, 0.28) * exposure
    ambient = float(rng.uniform(0.16, 0.36) * exposure)
    return Light(tuple(direction.tolist()), tuple(key.tolist()), tuple(fill.tolist()), ambient)


def gaze_actions(scene: Scene) -> dict[str, float]:
    """Face action -> value for where the eyes look and how far the lids hang."""
    sideways, up = scene.gaze
    vertical = "Up" if up > 0 else "Down"
    left, right = ("Out", "In") if sideways > 0 else ("In", "Out")  # towards the subject's left
    values = {f"eyeLook{vertical}{side}": abs(up) for side in ("Left", "Right")}
    values |= {f"eyeLook{left}Left": abs(sideways), f"eyeLook{right}Right": abs(sideways)}
    return values | {"eyeBlinkLeft": scene.blink, "eyeBlinkRight": scene.blink}


def turn_head(vertices: np.ndarray, base_y_dm: np.ndarray, scene: Scene) -> np.ndarray:
    """(V, 3) with the head turned about the neck; the shoulders stay. ``base_y_dm`` (V,) heights in the base mesh."""
    yaw, pitch, roll = np.deg2rad([scene.yaw_deg, scene.pitch_deg, scene.roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = (vertices - _NECK_DM) @ (about_z @ about_y @ about_x).T + _NECK_DM
    share = np.clip((base_y_dm - 5.75) / 0.6, 0, 1)[:, None]
    return vertices + (turned - vertices) * share


def camera_for(scene: Scene, eye_distance_dm: float) -> Camera:
    """The camera for a head whose eyes' middle is the origin."""
    return Camera(scene.distance_dm, scene.eyes_xy_px, scene.eye_distance_px / eye_distance_dm)


def paint_background(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(SIDE_PX, SIDE_PX, 3) float32 linear RGB: a wall, lighter or darker towards its foot, with soft blotches."""
    top, bottom = (np.array(colour, np.float32) for colour in scene.background)
    down = np.linspace(0, 1, SIDE_PX, dtype=np.float32)[:, None, None]
    coarse = Image.fromarray(1 + 0.12 * rng.standard_normal((7, 7), dtype=np.float32))
    blotches = np.asarray(coarse.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
    return (top + (bottom - top) * down) * np.clip(blotches, 0.3, 1.7)[:, :, None]
