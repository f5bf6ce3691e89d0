"""What an agent keeps of its last looks."""

from distcheck.agent.earlier import Earlier


def test_the_first_look_at_a_subject_has_nothing_before_it() -> None:
    """Nor has the first look at another one."""
    looks = Earlier[int]()
    assert looks.before("a", 1) is None
    assert looks.before("b", 2) is None


def test_each_look_gives_the_one_before_it() -> None:
    """Only the last is kept."""
    looks = Earlier[int]()
    assert [looks.before("a", n) for n in (1, 2, 3)] == [None, 1, 2]


def test_no_more_subjects_are_kept_than_the_bound() -> None:
    """Those that were not seen for longest go first."""
    looks = Earlier[int](most=2)
    for subject in ("a", "b", "a", "c"):
        looks.before(subject, 1)
    assert looks.before("a", 2) == 1
    assert looks.before("b", 2) is None
