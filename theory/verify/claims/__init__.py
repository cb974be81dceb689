"""The claims by topic; `theory.verify.catalogue` lists them all."""
