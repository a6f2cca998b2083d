"""A process for tests that goes on with a redaction, slowly enough to be killed in it.

python -m tests.integration.redaction.runner REDACTION_ID PAUSE_S
"""

import sys
import time
from uuid import UUID

import django


def main(redaction_id: UUID, pause_s: float) -> None:
    from domains.thundergate import redactions

    def tell(progress: redactions.Progress) -> None:
        print(progress.round, progress.holding, progress.seen, flush=True)  # noqa: T201
        time.sleep(pause_s)

    redactions.run(redaction_id, tell=tell, patience_s=0)


if __name__ == "__main__":
    django.setup()
    main(UUID(sys.argv[1]), float(sys.argv[2]))
