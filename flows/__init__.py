"""The command line and the Prefect flow: order, retries and a name for the work in `tasks`."""
