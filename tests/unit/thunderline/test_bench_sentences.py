import re
from collections import Counter

from thunderline.bench.histogram import spread
from thunderline.bench.sentences import Sentences


def test_the_same_seed_gives_the_same_sentences_and_another_one_others() -> None:
    one, again, other = Sentences(3), Sentences(3), Sentences(4)
    said = [one.memory() for _ in range(50)]
    assert said == [again.memory() for _ in range(50)]
    assert not set(said) & {other.memory() for _ in range(50)}
    assert one.question() == again.question()


def test_questions_are_about_what_is_remembered() -> None:
    remembering, asking = Sentences(7), Sentences(7)
    for _ in range(200):
        memory, question = remembering.memory(), asking.question()
        names = {word.removesuffix("'s") for word in re.findall(r"[A-Z][\w']+", question)[1:]}
        assert names <= {word.removesuffix("'s") for word in re.findall(r"[A-Z][\w']+", memory)}, (memory, question)


def test_few_words_are_common_and_most_are_rare() -> None:
    sentences = Sentences(5)
    said = [sentences.memory() for _ in range(20_000)]
    assert len(set(said)) > 0.95 * len(said)
    words = Counter(word.strip(".,:?") for text in said for word in text.split())
    common = sum(count for _, count in words.most_common(100))
    assert common > 0.6 * words.total()
    assert sum(count == 1 for count in words.values()) > 0.3 * len(words)
    assert all(0 < len(text) < 200 and "{" not in text for text in said)


def test_a_spread_of_figures_is_read_off_in_order() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0], (0, 50, 99)) == {"p0": 1.0, "p50": 3.0, "p99": 5.0}
    assert spread([]) == {}
