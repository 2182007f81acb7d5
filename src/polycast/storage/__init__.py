"""The media store: one interface (`interface.ObjectStore`), opened by `factory.open_store`."""
