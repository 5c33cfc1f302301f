"""The command line and the Prefect flows: schedule, retries and a name for the work in `tasks`."""
