"""A registered version that answers over HTTP, as MLflow's clients ask and as people upload files."""
