"""Players who are made up: a part and an instrument -> a film of somebody who plays it, as a detector sees it.

`parts.random_part` makes a part, `simulate.simulate` has it played and filmed. A pianist is planned by hands
(`piano_hands`), fingers (`fingering`) and places on keys (`piano_plan`), moved (`piano_motion`) and filmed from above;
players of strings (`strings`, `neck`, `bowed`, `plucked`), winds (`winds`) and the accordion (`bellows`) have a body
(`figure`) and are filmed from the front. `filming` has the cameras, `detector` what goes wrong in finding joints.
"""
