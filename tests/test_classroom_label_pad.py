"""Labels painted by hand are scored as they should be, and the pad paints what was asked."""

import os

import numpy as np
import pytest
import torch

import kit
from classroom.label_pad import LabelPad
from classroom.labelling import (
    UNLABELLED,
    LabelScore,
    count_segments,
    hasty_labels,
    score_labels,
)
from edu_lib.models.road_tasks import confusion_matrix, intersection_over_union
from roads import CLASSES, scene

ROAD, VEHICLE = CLASSES.index("road"), CLASSES.index("vehicle")


@pytest.fixture(scope="module")
def sample():
    return scene(22, 64, 128)


def test_iou_of_a_case_computed_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
    labels = np.array([[0, 1, 1, 1], [0, 0, 1, UNLABELLED]], np.uint8)
    score = score_labels(labels, truth, 90)
    # sky: 3 in both, 4 in one. road: 3 in both, 5 in one.
    assert score.ious == {"sky": 75, "road": 60}
    assert (score.miou, score.unlabelled, score.minutes) == (67.5, 12.5, 1.5)


def test_iou_agrees_with_the_measure_of_the_road_networks(sample):
    labels = hasty_labels(sample.segmentation, 8)
    logits = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 9).permute(2, 0, 1)[None]
    confusion = confusion_matrix(logits, torch.from_numpy(sample.segmentation)[None])
    expected = intersection_over_union(confusion)
    ours = score_labels(labels, sample.segmentation, 0).ious
    for index, name in enumerate(CLASSES):
        if name in ours:
            assert ours[name] == pytest.approx(expected[index], abs=1e-4)


def test_truth_scores_100_and_nothing_painted_scores_0(sample):
    pad = LabelPad(sample)
    perfect = pad.score(sample.segmentation, 0)
    assert perfect.miou == 100
    assert set(perfect.ious) == {CLASSES[i] for i in np.unique(sample.segmentation)}
    empty = pad.score(pad.labels, 0)
    assert (empty.miou, empty.unlabelled) == (0, 100)


def test_hurry_costs_quality_and_thin_things_first(sample):
    truth = scene(22, 256, 512).segmentation
    assert np.array_equal(hasty_labels(truth, 1), truth)
    scores = [score_labels(hasty_labels(truth, block), truth, 0) for block in (4, 16, 48)]
    assert scores[0].miou > scores[1].miou > scores[2].miou
    assert scores[1].ious["sign"] < scores[1].ious["road"]
    assert hasty_labels(truth, 48).shape == truth.shape


def test_segments_are_areas_that_touch_side_by_side():
    labels = np.array([[0, 0, 1, 0], [1, 1, 1, 0], [0, 1, 2, 2]], np.uint8)
    assert count_segments(labels, 1) == 5, "three of class 0, one of class 1, one of class 2"
    assert count_segments(labels, 2) == 4, "the single pixel is left out"


@pytest.mark.parametrize(
    ("labels", "seconds", "message"),
    [
        (np.zeros((3, 3), np.uint8), 0, r"shape \(64, 128\), got \(3, 3\)"),
        (np.full((64, 128), 9), 0, "whole number from 0 to 8"),
        (np.full((64, 128), 0.5), 0, "whole number from 0 to 8"),
        (np.zeros((64, 128), np.uint8), -1, "0 seconds or more"),
        (np.zeros((64, 128), np.uint8), float("nan"), "0 seconds or more"),
    ],
)
def test_bad_labels_are_refused(sample, labels, seconds, message):
    with pytest.raises(ValueError, match=message):
        LabelPad(sample).label(labels, seconds)
    with pytest.raises(ValueError, match="1 pixel or more"):
        hasty_labels(sample.segmentation, 0)


def test_labelling_by_program_does_what_the_buttons_do(sample):
    pad = LabelPad(sample)
    assert pad.result is None
    score = pad.label(hasty_labels(sample.segmentation), 240)
    assert pad.result == score
    assert isinstance(score, LabelScore)
    assert pad.finished
    assert pad.report["miou"] == score.miou
    assert np.array_equal(pad.labels, hasty_labels(sample.segmentation))
    better = pad.label(sample.segmentation, 300)
    assert (pad.result, better.miou) == (better, 100)


def test_truth_reaches_the_page_only_after_done(sample):
    pad = LabelPad(sample)
    assert sample.segmentation.tobytes() not in pad.get_state().values()
    pad.label(sample.segmentation * 0, 10)
    assert pad.shown_truth == sample.segmentation.tobytes()
    pad.finished = False
    assert (pad.result, pad.shown_truth, pad.report) == (None, b"", {})


def test_static_page_shows_the_scene_with_alt_text(sample):
    pad = LabelPad(sample)
    data, metadata = pad._repr_mimebundle_()
    assert data["text/plain"] == "LabelPad: a road scene of 64 x 128 pixels, to label"
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "to be labelled, and the nine classes" in metadata["image/png"]["alt"]
    before = data["image/png"]
    pad.label(sample.segmentation, 10)
    data, metadata = pad._repr_mimebundle_()
    assert data["image/png"] != before
    assert "100 % of its pixels" in metadata["image/png"]["alt"]


def test_score_prints_every_class_and_the_time(sample):
    printed = repr(LabelPad(sample).score(sample.segmentation, 90))
    assert "road         100.0 % IoU" in printed
    assert "1.5 minutes" in printed


def test_pad_fetches_nothing():
    assert "http" not in LabelPad._esm
    assert "import " not in LabelPad._esm


MODEL = """([source, state]) => {
  const view = (bytes) => new DataView(new Uint8Array(bytes).buffer);
  const values = { ...state };
  for (const name of ["image", "painted", "shown_truth"]) values[name] = view(state[name]);
  const listeners = {};
  window.model = {
    values, get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
      (listeners[`change:${name}`] || []).forEach((listener) => listener());
    },
    on: (name, listener) => { (listeners[name] ??= []).push(listener); },
    off: () => {}, save_changes: () => {},
  };
  window.view = view;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return import(url).then((module) =>
    module.default.render({ model: window.model, el: document.body }));
}"""
BYTES = {"image", "painted", "shown_truth"}
TRAITS = (*BYTES, "width", "height", "classes", "palette", "seconds", "finished", "report")


class Page:
    """The pad in a browser page, with this process as its kernel."""

    def __init__(self, browser, pad):
        self.pad, self.errors = pad, []
        self.page = browser.new_page(viewport={"width": 900, "height": 900})
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_style_tag(content=pad._css)
        state = {name: getattr(pad, name) for name in TRAITS}
        state |= {name: list(state[name]) for name in BYTES}
        self.page.evaluate(MODEL, [pad._esm, state])
        self.canvas = self.page.locator("canvas")

    def press(self, label):
        self.page.get_by_role("button", name=label).click()

    def click(self, x, y):
        """Click on pixel (x, y) of the scene."""
        box = self.canvas.bounding_box()
        scale = box["width"] / self.pad.width
        self.canvas.click(position={"x": (x + 0.5) * scale, "y": (y + 0.5) * scale})

    def labels(self):
        """What the page sent to the kernel, given to the pad."""
        painted = self.page.evaluate("Array.from(new Uint8Array(model.values.painted.buffer))")
        self.pad.set_state({"painted": memoryview(bytes(painted))})  # as Jupyter hands it on
        return self.pad.labels

    def take_from_kernel(self):
        """Send the score and the truth to the page, as the kernel does."""
        self.pad.seconds = self.page.evaluate("model.values.seconds")
        self.pad.finished = self.page.evaluate("model.values.finished")
        self.page.evaluate(
            "([truth, report]) => {"
            " model.set('shown_truth', view(truth)); model.set('report', report); }",
            [list(self.pad.shown_truth), self.pad.report],
        )


@pytest.fixture(scope="module")
def browser(playwright):
    path = os.environ.get("KIT_BROWSER") or kit.find_browser()
    assert path, "No Chromium was found: install it, or name it in KIT_BROWSER."
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    chromium = playwright.chromium.launch(executable_path=path, args=flags)
    yield chromium
    chromium.close()


@pytest.fixture
def page(browser, sample):
    opened = Page(browser, LabelPad(sample))
    yield opened
    assert opened.errors == []
    opened.page.close()


@pytest.mark.browser
def test_brush_paints_a_disc_of_the_class_and_undo_takes_it_back(page):
    page.press("Class 7: vehicle")
    page.press("Brush of 5 pixels")
    page.click(40, 30)
    labels = page.labels()
    rows, columns = np.nonzero(labels == VEHICLE)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (28, 32, 38, 42)
    assert labels[28, 38] == UNLABELLED, "a disc has no corners"
    assert set(np.unique(labels)) == {VEHICLE, UNLABELLED}
    page.press("Undo the last mark")
    assert (page.labels() == UNLABELLED).all()


@pytest.mark.browser
def test_polygon_fills_its_inside_and_fill_the_rest(page):
    page.press("Polygon: set corners")
    page.press("Class 2: road")
    for corner in ((20, 20), (60, 20), (60, 50), (20, 50)):
        page.click(*corner)
    page.press("Close the polygon")
    labels = page.labels()
    assert (labels[21:50, 21:60] == ROAD).all()
    assert 0.9 < (labels == ROAD).sum() / (40 * 30) < 1.1
    page.press("Fill: colour a whole area")
    page.press("Class 1: sky")
    page.click(5, 5)
    labels = page.labels()
    assert (labels == UNLABELLED).sum() == 0
    assert (labels[21:50, 21:60] == ROAD).all()


@pytest.mark.browser
def test_keys_alone_label_the_scene(page):
    page.canvas.focus()
    for key in ("2", "]", "Space", "ArrowLeft", "ArrowLeft", "ArrowDown", "Space"):
        page.page.keyboard.press(key)
    labels = page.labels()
    # from the middle 8 pixels to the left and 4 down, with the largest brush
    assert labels[32, 64] == labels[36, 56] == ROAD
    assert (labels == ROAD).sum() > 1200
    page.page.keyboard.press("Control+z")
    assert (page.labels() == UNLABELLED).all()


@pytest.mark.browser
def test_done_stops_the_clock_and_shows_the_score_and_the_truth(page, sample):
    done = page.page.get_by_role("button", name="Done: stop the clock")
    assert done.is_disabled(), "nothing is painted yet"
    assert page.page.get_by_role("button", name="Show the true labels").is_hidden()
    page.press("Fill: colour a whole area")
    page.press("Class 2: road")
    page.click(5, 5)
    done.click()
    assert (page.labels() == ROAD).all()
    page.take_from_kernel()
    share = 100 * (sample.segmentation == ROAD).mean()
    assert page.pad.result.ious["road"] == pytest.approx(share)
    assert page.pad.seconds > 0
    verdict = page.page.locator(".edu-label-verdict").inner_text()
    assert f"Mean IoU {page.pad.result.miou:.1f} %" in verdict
    page.press("Show the true labels")
    page.click(60, 30)
    assert (page.labels() == ROAD).all(), "after Done the labels stay as they are"
    page.press("Start over")
    assert (page.labels() == UNLABELLED).all()
    assert page.page.evaluate("model.values.seconds") == 0
