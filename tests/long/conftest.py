from tests.train.conftest import corpus, encoder, one_thread

__all__ = ["corpus", "encoder", "one_thread"]
