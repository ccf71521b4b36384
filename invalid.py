"""What is raised for input that is not valid; apart from what checks it, which takes long to import."""


class InvalidInputError(ValueError):
    """Everything wrong with the input, one problem a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems
