"""Theory of the update rules: predictions (`theory.predict`) and their tests (`theory.verify`)."""
