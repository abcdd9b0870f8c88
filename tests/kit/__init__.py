"""What tests of several rooms make or ask: pictures, small runs, artefacts, foreign weights, commands."""
