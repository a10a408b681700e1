"""``python -m weka_mp`` is the command ``weka-mp``."""

from weka_mp.cli.main import main

if __name__ == "__main__":
    main()
