"""The figures that users are told, each beside a ceiling measured in the same run."""
