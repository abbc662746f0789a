"""What a test draws hangs on its name alone: not on the tests that ran before it in a process."""

import zlib

import pytest
import torch


@pytest.fixture(scope="module")
def of_a_fixture():
    return torch.rand(4)


@pytest.mark.parametrize("number", [1, 2])
def test_a_test_draws_what_its_name_says(number, of_a_fixture, request):
    drawn = torch.rand(4)
    seed = zlib.crc32(repr((request.node.nodeid,)).encode())
    named = torch.Generator().manual_seed(seed)
    assert torch.equal(drawn, torch.rand(4, generator=named))
    assert not torch.equal(drawn, of_a_fixture)


def test_a_fixture_draws_what_its_place_says(of_a_fixture, request):
    place = (request.node.parent.nodeid, "of_a_fixture", 0)
    named = torch.Generator().manual_seed(zlib.crc32(repr(place).encode()))
    assert torch.equal(of_a_fixture, torch.rand(4, generator=named))
