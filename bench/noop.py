"""The ceiling of `noop_jobs`: a worker of the bare library whose one task does nothing."""

from __future__ import annotations

import asyncio

from procrastinate import App, PsycopgConnector

from barhouse.config import settings
from barhouse.store.queue import QUEUE, SCHEMA, TASK


async def main() -> None:
    """Do nothing, as often as asked, until terminated."""
    given = settings().database_url
    assert given
    home = {"options": f"-c search_path={SCHEMA}"}
    app = App(connector=PsycopgConnector(conninfo=given.get_secret_value(), min_size=1, max_size=4, kwargs=home))

    @app.task(name=TASK)
    async def nothing(execution: str) -> None:
        """Be done."""

    async with app.open_async():
        await app.run_worker_async(queues=[QUEUE], concurrency=3, fetch_job_polling_interval=1.0, delete_jobs="always")


if __name__ == "__main__":
    asyncio.run(main())
